"""Of steps with anything among their arguments every leaf is found, and none wrongly.

As in `test_steps.py`, but traced as `probe` traces them, with marked modules.
"""

from __future__ import annotations

from typing import Any

import jax
import pytest

from tests.slow import quick_cases
from tests.steps.measured import Measured, measure
from tests.steps.public_steps import HERE, PUBLIC_STEPS, SHARE, measured
from tests.steps.train_step import TrainStep, X, Y, mse, parameters


@pytest.mark.parametrize("name", quick_cases(PUBLIC_STEPS, [], slice_of=6))
def test_every_leaf_has_its_gradient_and_its_update_or_a_reason(name: str) -> None:
    found = measured(name)
    expected = PUBLIC_STEPS[name]().unidentified
    assert found.wrong == ()
    assert found.wrong_updates == ()
    assert found.updates == found.leaves
    for leaf in found.leaves:
        reason = found.missed.get(leaf)
        wanted = next((why for part, why in expected.items() if part in leaf), None)
        assert (reason is None) == (wanted is None), (leaf, reason)
        assert wanted is None or wanted in str(reason)
    assert found.lines.other == found.lines.none == 0, found.strange
    assert found.lines.own > 0
    assert found.unmarked == ""


@pytest.mark.acceptance
def test_nearly_every_leaf_of_public_steps_is_identified() -> None:
    """Those without a single gradient of their own count as not identified too."""
    every = [measured(name) for name in PUBLIC_STEPS]
    assert len(every) >= 20
    leaves = sum(len(found.leaves) for found in every)
    assert sum(len(found.identified) for found in every) >= SHARE * leaves


def _plain(params: Any, x: Any, y: Any) -> Any:
    grads = jax.grad(mse)(params, x, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), grads


def _measured(**changed: Any) -> Measured:
    right = TrainStep(_plain, (parameters(), X, Y), jax.grad(mse))
    return measure(right._replace(**changed), HERE)


def _exchanged(tree: Any) -> Any:
    return {**tree, "w1": tree["w2"], "w2": tree["w1"]}


@pytest.mark.slow
def test_the_measure_sees_what_is_wrong() -> None:
    """Two gradients, or two new values, in each other's place."""
    assert _measured().wrong == ()
    found = _measured(gradient=lambda *args: _exchanged(jax.grad(mse)(*args)))
    assert found.wrong == ("0/w1: not its gradient", "0/w2: not its gradient")
    found = _measured(new=lambda out: _exchanged(out[0]))
    another = "its new value is another output"
    assert found.wrong == (f"0/w1: {another}", f"0/w2: {another}")


@pytest.mark.slow
def test_the_measure_sees_a_parameter_too_many_and_the_lines_of_others() -> None:
    def but_one(tree: Any) -> Any:
        return {name: leaf for name, leaf in tree.items() if name != "w1"}

    found = measure(
        TrainStep(
            _plain,
            (parameters(), X, Y),
            lambda *args: but_one(jax.grad(mse)(*args)),
            old=lambda args: but_one(args[0]),
            new=lambda out: but_one(out[0]),
        ),
        __file__,
    )
    assert found.wrong == ("0/w1: is no parameter",)
    assert found.lines.own == 0
    assert found.lines.other == len(found.strange) > 0
