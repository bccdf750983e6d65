"""A gradient transformation with a mistake breaks the property that it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.transformations.check_transformation import check_transformation
from tests.slow import quick_cases
from tests.testing.library_transformations import ALIASES, FOUND


class Mutant(NamedTuple):
    """A transformation with one mistake."""

    breaks: str
    transformation: optax.GradientTransformation
    declare: tuple[str, ...] = ()


def failed(report: LayerReport) -> list[str]:
    """The properties that do not hold."""
    return [one.name for one in report.properties if one.verdict is Verdict.FAIL]


def _of(
    init: Callable[[Any], Any], update: Callable[[Any, Any, Any], Any]
) -> optax.GradientTransformation:
    return optax.GradientTransformation(
        lambda params: init(params),
        lambda updates, state, params=None: update(updates, state, params),
    )


def _plain(change: Callable[[Any], Any]) -> optax.GradientTransformation:
    return _of(lambda p: (), lambda g, s, p: (jax.tree.map(change, g), s))


def _counting(start: Any, after: Callable[[Any], Any]) -> optax.GradientTransformation:
    return _of(lambda p: start, lambda g, s, p: (g, after(s)))


def _sums(*, on_one_device: bool = False) -> optax.GradientTransformation:
    def init(params: Any) -> Any:
        if on_one_device:
            return jax.tree.map(lambda p: jnp.zeros(p.shape), params)
        return jax.tree.map(jnp.zeros_like, params)

    def update(updates: Any, state: Any, params: Any) -> Any:
        state = jax.tree.map(jnp.add, state, updates)
        return state, state

    return _of(init, update)


def _remembers() -> optax.GradientTransformation:
    calls: list[int] = []

    def update(updates: Any, state: Any, params: Any) -> Any:
        calls.append(1)
        return jax.tree.map(lambda g: g * len(calls), updates), state

    return _of(lambda p: (), update)


MUTANTS: dict[str, Mutant] = {
    "count turns float": Mutant(
        "state-kept", _counting(jnp.int32(0), lambda count: count * 1.0)
    ),
    "state grows": Mutant("state-kept", _counting((), lambda state: (state,))),
    "count is weak": Mutant(
        "one-program", _counting(jnp.asarray(0), lambda count: count + jnp.int32(1))
    ),
    "updates in float16": Mutant(
        "updates-like-parameters", _plain(lambda g: g.astype(jnp.float16))
    ),
    "updates without a leaf": Mutant(
        "updates-like-parameters",
        _of(lambda p: (), lambda g, s, p: ({"kernel": g["kernel"]}, s)),
    ),
    "counts calls in Python": Mutant("jit", _remembers()),
    "divides by the norm": Mutant(
        "zero-gradient", _plain(lambda g: g / jnp.sqrt(jnp.sum(g**2)))
    ),
    "exponent overflows": Mutant("finite", _plain(lambda g: jnp.exp(jnp.abs(g)))),
    "state on one device": Mutant("sharding-kept", _sums(on_one_device=True)),
    "moves without a gradient": Mutant("still", _plain(lambda g: g + 0.1), ("still",)),
    "skips nothing": Mutant("skips-nonfinite", _sums(), ("skips-nonfinite",)),
    "skips but counts it": Mutant(
        "skips-nonfinite",
        optax.apply_if_finite(_sums(), 0),
        ("skips-nonfinite",),
    ),
}


@pytest.mark.parametrize(
    "name", quick_cases(MUTANTS, ["count turns float", "updates without a leaf"])
)
def test_a_mistake_is_caught_by_its_property(name: str) -> None:
    mutant = MUTANTS[name]
    report = check_transformation(
        mutant.transformation,
        only=[mutant.breaks],
        declare=mutant.declare,
        examples=4,
    )
    assert failed(report) == [mutant.breaks], str(report)


@pytest.mark.slow
def test_a_right_one_passes() -> None:
    report = check_transformation(_sums(), declare=["still"], examples=6)
    assert report.ok, str(report)


@pytest.mark.acceptance
def test_every_alias_of_optax_is_tried() -> None:
    assert set(ALIASES) >= FOUND, "a new release has more: add a case"


@pytest.mark.parametrize("name", quick_cases(ALIASES, [], slice_of=12))
def test_an_alias_of_optax(name: str) -> None:
    case = ALIASES[name]
    report = check_transformation(case.transformation, examples=6, **case.settings)
    assert tuple(failed(report)) == case.breaks, str(report)


@pytest.mark.slow
def test_sm3_does_not_take_a_number() -> None:
    with pytest.raises(IndexError):
        check_transformation(optax.sm3(1e-3), {"scale": jnp.float32(1)}, examples=2)


def test_what_is_no_transformation_is_refused() -> None:
    with pytest.raises(TypeError, match="with init and update; found float"):
        check_transformation(0.1)


def test_a_state_that_is_made_of_the_parameters_is_of_those_that_are_tried() -> None:
    """As that of schedule-free optimisers: else they move back to others."""

    def update(updates: Any, state: Any, params: Any) -> Any:
        state = jax.tree.map(lambda z, g: z - 0.1 * g, state, updates)
        return jax.tree.map(jnp.subtract, state, params), state

    report = check_transformation(
        _of(lambda params: params, update), only=["still"], examples=4
    )
    assert report.verdict is Verdict.PASS, str(report)
