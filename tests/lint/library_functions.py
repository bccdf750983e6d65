"""Optimisers of Optax, and distributions and special functions of JAX, as programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.scipy import special, stats

from tests.lint.programs import Linted

DENSITIES = ("logpdf", "logpmf", "logcdf", "pdf", "cdf")
HALVES = jnp.full((4,), 0.5)
PARAMS = {"w": jnp.ones((4, 3)), "b": jnp.ones(3)}
ROWS = jnp.ones((6, 4))


def library_functions() -> Iterator[tuple[str, Linted]]:
    """Each with the fewest arguments that it takes; optimisers in a train step too."""
    for name, distribution in vars(stats).items():
        for kind in DENSITIES:
            function = getattr(distribution, kind, None)
            if function is not None and (count := _arguments(function)):
                yield f"{name}.{kind}", Linted(function, 0, (HALVES,) * count)
    for name, function in vars(special).items():
        if callable(function) and (count := _arguments(function)):
            yield f"special.{name}", Linted(function, 0, (HALVES,) * count)
    for name, make in vars(optax).items():
        optimizer = _optimizer(make) if callable(make) else None
        if optimizer is not None:
            state = optimizer.init(PARAMS)
            yield name, Linted(optimizer.update, None, (PARAMS, state, PARAMS))
            yield (
                f"step of {name}",
                Linted(_step(optimizer), None, (PARAMS, state, ROWS)),
            )


def _arguments(function: Callable[..., Any]) -> int:
    """How many arrays a function takes; 0 if it takes something else."""
    for count in range(1, 5):
        with suppress(Exception):
            jax.eval_shape(function, *(HALVES,) * count)
            return count
    return 0


def _optimizer(make: Callable[..., Any]) -> Any:
    for args in ((1e-3,), ()):
        with suppress(Exception):
            found = make(*args)
            if isinstance(found, optax.GradientTransformation):
                state = found.init(PARAMS)
                jax.eval_shape(found.update, PARAMS, state, PARAMS)
                return found
    return None


def _step(optimizer: Any) -> Callable[..., Any]:
    def step(params: Any, state: Any, x: Any) -> Any:
        def loss(params: Any) -> Any:
            return jnp.mean((x @ params["w"] + params["b"]) ** 2)

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    return step
