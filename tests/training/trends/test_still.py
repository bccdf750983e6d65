"""A parameter that never changes is told once, with the reason; others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

import jaxdebug as jd
from jaxdebug.findings import Severity
from tests.slow import quick_cases
from tests.training.trends.trainings import alarms, encode, read, train


def _labels(params: Any) -> Any:
    return {name: "still" if name == "encoder" else "moves" for name in params}


def _parts(still: Any) -> Any:
    return optax.multi_transform({"moves": optax.adam(1e-3), "still": still}, _labels)


def _stopped(params: Any, x: Any) -> Any:
    return read(params, jax.lax.stop_gradient(encode(params, x)))


def _dead(params: Any, x: Any) -> Any:
    return read(params, jax.nn.relu(encode(params, x) - 2.0))


def _head_alone(params: Any, updates: Any) -> Any:
    return params | {"head": optax.apply_updates(params["head"], updates["head"])}


STILL: Mapping[str, tuple[dict[str, Any], str, Severity, str]] = {
    "behind dead units": (
        {"optimizer": optax.adam(1e-3), "loss": _dead},
        "encoder",
        Severity.WARNING,
        "no gradient reaches it: its gradient was zero",
    ),
    "updates lost in bfloat16": (
        {"optimizer": optax.sgd(1e-9), "dtype": jnp.bfloat16},
        "encoder/w",
        Severity.WARNING,
        "lost to rounding in bfloat16",
    ),
    "updates not applied": (
        {"optimizer": optax.adam(1e-3), "apply": lambda params, _: params},
        "all parameters",
        Severity.WARNING,
        "the step returns the parameters as they are",
    ),
    "frozen beside what is declared so": (
        {
            "optimizer": _parts(optax.set_to_zero()),
            "declare": ("frozen:encoder/w",),
        },
        "encoder/b",
        Severity.WARNING,
        "of what is declared frozen it is no part",
    ),
    "a rate of zero": (
        {"optimizer": optax.adam(optax.constant_schedule(0.0))},
        "all parameters",
        Severity.WARNING,
        "the optimiser makes no update",
    ),
    "stop_gradient": (
        {"optimizer": optax.adam(1e-3), "loss": _stopped},
        "encoder",
        Severity.INFO,
        "behind stop_gradient",
    ),
    "set to zero": (
        {"optimizer": _parts(optax.set_to_zero())},
        "encoder",
        Severity.INFO,
        "a mask, a label",
    ),
    "set to zero, gradients added up": (
        {"optimizer": optax.MultiSteps(_parts(optax.set_to_zero()), 4)},
        "encoder",
        Severity.INFO,
        "a mask, a label",
    ),
    "a schedule that begins later": (
        {"optimizer": _parts(optax.adam(lambda count: 0.0 * count))},
        "encoder",
        Severity.INFO,
        "a gradient reaches it",
    ),
    "returned as it is": (
        {"optimizer": optax.adam(1e-3), "apply": _head_alone},
        "encoder",
        Severity.INFO,
        "the step returns it as it is",
    ),
}


@pytest.mark.parametrize("name", quick_cases(STILL, ["behind dead units"]))
def test_what_never_changes_is_told_once_with_its_reason(name: str) -> None:
    training, where, severity, why = STILL[name]
    found = [f for f in train(**training) if f.where == where]
    assert [(f.code, f.severity) for f in found] == [("unchanged-parameter", severity)]
    assert why in found[0].message


def test_steps_that_are_passed_over_are_told_from_a_rate_of_zero() -> None:
    found = train(
        optax.apply_if_finite(optax.adam(1e-3), 10**6),
        loss=lambda params, x: jnp.exp(1e3 + read(params, encode(params, x))),
        on_nonfinite=lambda incident: None,
        eventful=True,
    )
    (finding,) = [one for one in found if one.where == "all parameters"]
    assert "gradients held NaN or infinity in every sample" in finding.message


MOVING: Mapping[str, dict[str, Any]] = {
    "plain": {"optimizer": optax.adam(1e-3)},
    "a rate that rises from zero": {
        "optimizer": optax.adam(optax.linear_schedule(0.0, 1e-3, 100))
    },
    "gradients of four steps": {"optimizer": optax.MultiSteps(optax.adam(1e-3), 4)},
    "gradients of more steps than there were": {
        "optimizer": optax.MultiSteps(optax.adam(1e-3), 300)
    },
    "clipped": {
        "optimizer": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    },
    "frozen and declared so": {
        "optimizer": _parts(optax.set_to_zero()),
        "declare": ("frozen:encoder/*",),
    },
    "short": {"optimizer": optax.sgd(0.0), "steps": 120},
}


@pytest.mark.parametrize("name", quick_cases(MOVING, ["short"]))
def test_of_what_moves_or_may_still_move_nothing_is_said(name: str) -> None:
    assert not train(**MOVING[name])


FROZEN: Mapping[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "masked, which leaves the gradient as the update": (
        {
            "optimizer": optax.masked(
                optax.adam(1e-3), {"encoder": False, "head": True}
            ),
            "declare": ("frozen:encoder/*",),
        },
        [("frozen-parameter-moved", "encoder/b, encoder/w")],
    ),
    "weight decay": (
        {
            "optimizer": optax.adamw(1e-3, weight_decay=0.1),
            "loss": _stopped,
            "declare": ("frozen:encoder/w",),
        },
        [("frozen-parameter-moved", "encoder/w")],
    ),
    "a pattern of nothing": (
        {"optimizer": optax.adam(1e-3), "declare": ("frozen:encodr/*",)},
        [("unmatched-declaration", "frozen:encodr/*")],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_cases(FROZEN, ["a pattern of nothing"]))
def test_what_is_declared_frozen_must_be(name: str) -> None:
    training, expected = FROZEN[name]
    assert alarms(train(**training, steps=60)) == expected


def test_a_declaration_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="watch: declare knows 'frozen:PATH'; found"):
        train(optax.sgd(0.1), declare=("causal",))
    with pytest.raises(ValueError, match="expected a pattern of paths after 'frozen:'"):
        train(optax.sgd(0.1), declare=("frozen:",))
    with pytest.raises(TypeError, match="declare must be a tuple of str"):
        train(optax.sgd(0.1), declare="frozen:encoder")


def test_a_state_that_is_loaded_is_not_moved_by_the_step() -> None:
    @jax.jit
    def step(params: Any, x: Any) -> Any:
        gradient = jax.grad(lambda head: head @ x)(params["head"])
        return {"encoder": params["encoder"], "head": params["head"] - gradient}

    watched = jd.watch(step, every=10, declare=("frozen:encoder",))
    for start in (1.0, 2.0):
        state = {"encoder": jnp.full(3, start), "head": jnp.ones(3)}
        for _ in range(15):
            state = watched(state, jnp.ones(3))
    watched.close()
    assert watched.history.events
    assert not watched.history.findings
