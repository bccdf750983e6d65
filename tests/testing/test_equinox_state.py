"""Equinox modules with a state are taken with the one that they begin with."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import pytest

from jaxdebug import testing


class Scaled(eqx.Module):
    """Divides by a running mean of squares, or by that of its batch."""

    scale: jax.Array
    held: eqx.nn.StateIndex
    inference: bool = False
    forgets: bool = eqx.field(static=True, default=False)

    def __call__(self, x: jax.Array, state: Any) -> tuple[jax.Array, Any]:
        mean = jax.lax.pmean((x**2).mean(), "batch")
        if self.inference and not self.forgets:
            mean = state.get(self.held)
        else:
            state = state.set(self.held, 0.5 * state.get(self.held) + 0.5 * mean)
        return self.scale * x / (1 + mean), state


def _made(forgets: bool) -> Any:
    one = jax.numpy.ones(())

    def make() -> Scaled:
        return Scaled(one, eqx.nn.StateIndex(one), forgets=forgets)

    return eqx.nn.make_with_state(make)()


ASKED = ["rows-independent", "evaluation-keeps-state", "restored"]


@pytest.mark.parametrize("forgets", [False, True])
def test_a_state_that_evaluation_changes_is_seen(forgets: bool) -> None:
    report = testing.check_layer(
        _made(forgets), testing.batches((3,), sizes=[2]), only=ASKED, examples=2
    )
    wrong = {one.name for one in report.properties if one.verdict == "fail"}
    expected = {"rows-independent", "evaluation-keeps-state"} if forgets else set()
    assert wrong == expected


def test_a_module_without_its_state_is_refused() -> None:
    with pytest.raises(TypeError, match=r"equinox\.nn\.make_with_state returns"):
        testing.check_layer(_made(False)[0], testing.batches((3,)))
