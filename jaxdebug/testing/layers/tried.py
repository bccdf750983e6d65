"""Having Hypothesis draw inputs for the properties of something."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from jaxdebug.checks.settings import undisturbed
from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.again import Again
from jaxdebug.testing.layers.gap import on_host
from jaxdebug.testing.layers.property import Property
from jaxdebug.testing.layers.report import LayerReport, layer_report
from jaxdebug.testing.layers.rows import count_rows, fewest_rows
from jaxdebug.testing.layers.trial import Drawn, Simplest, Trial


def tried(
    again: Again,
    trial: Trial,
    inputs: st.SearchStrategy[tuple[Any, ...]],
    *,
    examples: int,
    seed: int,
    said: Sequence[str] = (),
) -> LayerReport:
    """Try properties on inputs that Hypothesis draws.

    Args:
        again: how the public function was called that the report is of.
        trial: what is tried.
        inputs: a strategy of them, as a tuple.
        examples: how many inputs are tried.
        seed: of the examples.
        said: what was found besides.
    """
    begun = time.perf_counter()
    strategy = _drawn(inputs)

    def simplest(name: str, drawn: Drawn) -> Simplest:
        """What Hypothesis shrinks inputs to at which a property fails."""
        for alone in (True, False):
            last: list[Drawn] = []

            def fails(drawn: Drawn, alone: bool = alone, last: Any = last) -> None:
                if alone:
                    drawn = drawn._replace(others=other_than(drawn.args))
                if trial.wrong(name, drawn):
                    last.append(drawn)
                    raise _Broken

            with suppress(_Broken):
                _run(strategy, fails, examples, seed, Phase.shrink)
            if last:
                return Simplest(last[-1], alone)
        return Simplest(drawn, False)

    with undisturbed(()):
        _run(strategy, trial.look, examples, seed)
        results, unchecked = trial.results(simplest, seed, again)
    seconds = time.perf_counter() - begun
    name = trial.layer.name
    return layer_report(
        again.check.__name__, name, results, unchecked, seed, seconds, said
    )


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


LOOKS = 16
"""How many inputs are drawn to see whether they are of as many examples."""

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


def batches_of(
    inputs: st.SearchStrategy[tuple[Any, ...]],
) -> st.SearchStrategy[tuple[Any, ...]]:
    """A strategy of inputs that are of as many examples as each other.

    Inputs that are drawn apart, each a batch of some size, are cut to the fewest. What
    never has as many examples is no batch, and stays as it is.
    """
    as_many: list[bool] = []
    looked_at(inputs, lambda args: as_many.append(count_rows(args) is not None), LOOKS)
    return inputs.map(fewest_rows) if any(as_many) and not all(as_many) else inputs


def _drawn(args: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[Drawn]:
    """A strategy of what is chosen, from one of inputs."""
    return st.builds(Drawn, args, args, st.integers(0, 255)).map(_of_one_shape)


def _of_one_shape(drawn: Drawn) -> Drawn:
    """The other inputs must be of the same shape, and others: else they are made."""
    own, other = map(jax.tree.leaves, (drawn.args, drawn.others))
    avals = [[*map(jax.typeof, leaves)] for leaves in (own, other)]
    if avals[0] == avals[1] and not all(map(_same, own, other)):
        return drawn
    return drawn._replace(others=other_than(drawn.args))


def _same(left: Any, right: Any) -> bool:
    return np.array_equal(on_host(left), on_host(right))


def other_than(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inputs like some, with the same numbers elsewhere.

    Those of which all numbers are the same and floating are halved; zeros are ones.
    """

    def turned(leaf: Any) -> Any:
        other = jnp.flip(leaf)
        if not is_inexact(jax.typeof(leaf)) or not _same(leaf, other):
            return other
        # Turned around it is the same.
        other = jnp.roll(leaf, 1)
        if not _same(leaf, other):
            return other
        return jnp.where(leaf == 0, jnp.ones_like(leaf), leaf / 2)

    return jax.tree.map(turned, args)


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
        ValueError: if a name is not known, or no property is left.
    """
    names = [one.name for one in known]
    for what, asked in (("declare", declare), ("only", only), ("skip", skip)):
        unknown = [name for name in asked if name not in names]
        if isinstance(asked, str) or unknown:
            raise ValueError(
                f"{check} expects {what} to be names of properties, of "
                f"{', '.join(names)}; found {asked!r}."
            )
    kept = [
        one
        for one in known
        if one.name not in skip
        and (one.name in only if only else one.name in declare or not one.is_declared)
    ]
    if not kept:
        raise ValueError(
            f"{check} expects a property to try; found none left by only={only!r} and "
            f"skip={skip!r}."
        )
    return kept
