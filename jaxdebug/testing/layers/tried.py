"""Having Hypothesis draw inputs for the properties of something."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from jaxdebug.checks.settings import undisturbed
from jaxdebug.testing.layers.property import Property
from jaxdebug.testing.layers.report import LayerReport, layer_report
from jaxdebug.testing.layers.trial import Drawn, Trial
from jaxdebug.testing.strategies.arrays import batches


def tried(
    check: str,
    trial: Trial,
    inputs: st.SearchStrategy[tuple[Any, ...]],
    *,
    examples: int,
    seed: int,
    said: Sequence[str] = (),
) -> LayerReport:
    """Try properties on inputs that Hypothesis draws.

    Args:
        check: the public function that the report is of.
        trial: what is tried.
        inputs: a strategy of them, as a tuple.
        examples: how many inputs are tried.
        seed: of the examples.
        said: what was found besides.
    """
    begun = time.perf_counter()
    strategy = _drawn(inputs)

    def simplest(name: str, drawn: Drawn) -> Drawn:
        """What Hypothesis shrinks inputs to at which a property fails."""
        last = [drawn]

        def fails(drawn: Drawn) -> None:
            if trial.wrong(name, drawn):
                last.append(drawn)
                raise _Broken

        with suppress(_Broken):
            _run(strategy, fails, examples, seed, Phase.shrink)
        return last[-1]

    with undisturbed(()):
        _run(strategy, trial.look, examples, seed)
        results, unchecked = trial.results(simplest, seed, check)
    seconds = time.perf_counter() - begun
    name = trial.layer.name
    return layer_report(check, name, results, unchecked, seed, seconds, said)


def looked_at(
    inputs: st.SearchStrategy[tuple[Any, ...]],
    look: Callable[[Any], None],
    examples: int,
) -> None:
    """Look at inputs that a strategy draws, before any property is tried.

    Args:
        inputs: a strategy of them, as a tuple.
        look: at the inputs, as a tuple.
        examples: how many there are at most.
    """
    with undisturbed(()):
        _run(_drawn(inputs), lambda drawn: look(drawn.args), examples, 0)


UNASKED = (
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
    HealthCheck.nested_given,
    HealthCheck.too_slow,
)
"""What Hypothesis says of a strategy, and of a test in a test; compiling is slow."""


class _Broken(Exception):
    """A property does not hold."""


def _run(
    strategy: st.SearchStrategy[Drawn],
    look: Callable[[Drawn], None],
    examples: int,
    seed: int,
    *phases: Phase,
) -> None:
    """Have Hypothesis look at examples; the same ones with the same seed."""
    run = settings(
        max_examples=examples,
        phases=(Phase.generate, *phases),
        deadline=None,
        database=None,
        suppress_health_check=UNASKED,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    seeded(seed)(run(given(strategy)(lambda drawn: look(drawn))))()


def several(inputs: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """A strategy of inputs, as a tuple, from what a user gives.

    Args:
        inputs: a strategy, an array, None for batches of vectors, or a tuple of these.
    """
    return st.tuples(*map(_of_one, inputs if isinstance(inputs, tuple) else (inputs,)))


def _drawn(args: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[Drawn]:
    """A strategy of what is chosen, from one of inputs."""
    return st.builds(Drawn, args, args, st.integers(0, 255)).map(_of_one_shape)


def _of_one(inputs: Any) -> st.SearchStrategy[Any]:
    if inputs is None:
        return batches()
    if isinstance(inputs, st.SearchStrategy):
        return inputs
    return st.just(jax.tree.map(jnp.asarray, inputs))


def _of_one_shape(drawn: Drawn) -> Drawn:
    """The other inputs must be of the same shape: if they are not, the same turned."""
    own, other = map(jax.tree.leaves, (drawn.args, drawn.others))
    avals = [[*map(jax.typeof, leaves)] for leaves in (own, other)]
    if avals[0] == avals[1] and drawn.args is not drawn.others:
        return drawn
    return drawn._replace(others=jax.tree.map(lambda x: jnp.flip(x), drawn.args))


def chosen(
    check: str,
    known: Sequence[Property],
    declare: Sequence[str],
    only: Sequence[str],
    skip: Sequence[str],
) -> list[Property]:
    """The properties to try.

    Args:
        check: the public function that asks.
        known: all that there are.
        declare: names of those that only some have.
        only: names of the only ones to try, if there are any.
        skip: names of those not to try.

    Raises:
        ValueError: if a name is not known.
    """
    names = [one.name for one in known]
    for what, asked in (("declare", declare), ("only", only), ("skip", skip)):
        unknown = [name for name in asked if name not in names]
        if isinstance(asked, str) or unknown:
            raise ValueError(
                f"{check} expects {what} to be names of properties, of "
                f"{', '.join(names)}; found {asked!r}."
            )
    return [
        one
        for one in known
        if one.name not in skip
        and (one.name in only if only else one.name in declare or not one.is_declared)
    ]
