"""Every alias of Optax, with what it needs."""

from __future__ import annotations

import inspect
import warnings
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Case(NamedTuple):
    """A transformation, and what it can be asked."""

    transformation: Any
    settings: dict[str, Any]
    breaks: tuple[str, ...] = ()
    """Properties that it does not have."""


def _value(params: Any) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))


def _searched(params: Any, gradients: Any) -> dict[str, Any]:
    return {"value": _value(params), "grad": gradients, "value_fn": _value}


def _deprecated(alias: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return alias(1e-3)


STILL: dict[str, Any] = {"declare": ["still"]}
MODULE = inspect.getmodule(optax.adam)
FOUND = {
    name
    for name, found in vars(optax).items()
    if isinstance(found, FunctionType | partial)
    and not name.startswith("_")
    and vars(MODULE).get(name) is found
}
"""Those that stand where Adam does."""

ALIASES: dict[str, Case] = {
    "adabelief": Case(optax.adabelief(1e-3), STILL),
    "adadelta": Case(optax.adadelta(1e-3), STILL),
    "adafactor": Case(optax.adafactor(1e-3), STILL),
    "adagrad": Case(optax.adagrad(1e-3), STILL),
    "adam": Case(optax.adam(1e-3), STILL),
    "adamax": Case(optax.adamax(1e-3), STILL),
    "adamaxw": Case(optax.adamaxw(1e-3), {}),
    "adamw": Case(optax.adamw(1e-3), {}),
    "adan": Case(optax.adan(1e-3), STILL),
    "amsgrad": Case(optax.amsgrad(1e-3), STILL),
    "fromage": Case(optax.fromage(1e-3), {}),
    "lamb": Case(optax.lamb(1e-3), STILL),
    "lars": Case(optax.lars(1e-3), STILL),
    "lbfgs": Case(optax.lbfgs(1e-1), {"extra": _searched}, ("one-program",)),
    "lion": Case(optax.lion(1e-3, weight_decay=0.0), STILL),
    "nadam": Case(optax.nadam(1e-3), STILL),
    "nadamw": Case(optax.nadamw(1e-3), {}),
    "noisy_sgd": Case(optax.noisy_sgd(1e-3, key=jax.random.key(0)), {}),
    "novograd": Case(optax.novograd(1e-3), STILL),
    "optimistic_adam": Case(_deprecated(optax.optimistic_adam), STILL),
    "optimistic_adam_v2": Case(optax.optimistic_adam_v2(1e-3), STILL),
    "optimistic_gradient_descent": Case(optax.optimistic_gradient_descent(1e-3), STILL),
    "polyak_sgd": Case(
        optax.polyak_sgd(1e-3), {"extra": lambda p, g: {"value": _value(p)}}
    ),
    "radam": Case(optax.radam(1e-3), STILL),
    "rmsprop": Case(optax.rmsprop(1e-3), STILL),
    "rprop": Case(optax.rprop(1e-3), STILL),
    "sgd": Case(optax.sgd(1e-3, momentum=0.9), STILL),
    "sign_sgd": Case(optax.sign_sgd(1e-3), STILL),
    "signum": Case(optax.signum(1e-3), STILL),
    "sm3": Case(optax.sm3(1e-3), STILL | {"params": {"w": jnp.ones((4, 3))}}),
    "yogi": Case(optax.yogi(1e-3), STILL, ("still",)),
    "apply_if_finite": Case(
        optax.apply_if_finite(optax.adam(1e-3), 5), {"declare": ["skips-nonfinite"]}
    ),
    "skip_not_finite": Case(
        optax.MultiSteps(
            optax.adam(1e-3), 1, should_skip_update_fn=optax.skip_not_finite
        ),
        {"declare": ["skips-nonfinite"]},
    ),
    "clip_by_global_norm": Case(optax.clip_by_global_norm(1.0), STILL),
}
"""What is tried, and the properties that are known not to hold."""
