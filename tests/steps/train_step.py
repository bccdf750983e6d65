"""What a train step of the corpus consists of, and the model most of them train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs.parameters.leaves import path_names


class TrainStep(NamedTuple):
    """A train step, where its parameters are, and what its gradients should be.

    Attributes:
        function: the step as its user wrote it.
        args: the arguments of one call.
        gradient: from the arguments, the gradients the step should be found to
            compute, in the structure that `old` gives.
        old: from the arguments, the parameters, frozen ones too.
        new: from the result, the new parameters; None if the step changes those of
            its arguments in place.
        unidentified: leaves without a place: a part of their path, and a part of
            the reason that is given.
        moved: whether each Δ is added once, so that it equals new minus old.
        tolerance: how far a gradient may be off, relatively; more in half precision.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    gradient: Callable[..., Any]
    old: Callable[[Any], Any] = lambda args: args[0]
    new: Callable[[Any], Any] | None = lambda out: out[0]
    unidentified: Mapping[str, str] = {}
    moved: bool = True
    tolerance: float = 2e-4


def named(select: Callable[[Any], Any], tree: Any, values: Any) -> dict[str, Any]:
    """The leaves of `values` under the names that `select(tree)` has in `tree`."""
    names = ["/".join(path) for path in path_names(tree)]
    chosen = select(jax.tree.unflatten(jax.tree.structure(tree), names))
    return dict(zip(jax.tree.leaves(chosen), jax.tree.leaves(values), strict=True))


_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(4, 3)).astype(np.float32)
Y = _RNG.normal(size=(4, 3)).astype(np.float32)
LABELS = np.arange(4, dtype=np.int32) % 3


def parameters(seed: int = 0) -> dict[str, Any]:
    """Two leaves of one shape, a vector and two scalars: easily taken for another."""
    rng = np.random.default_rng(seed)
    shapes = {"w1": (3, 3), "b1": (3,), "w2": (3, 3), "gain": (), "shift": ()}
    return {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def predict(params: Any, x: Any) -> jax.Array:
    """A network of two layers."""
    hidden = jnp.tanh(x @ params["w1"] + params["b1"])
    return params["gain"] * (hidden @ params["w2"]) + params["shift"]


def mse(params: Any, x: Any, y: Any) -> jax.Array:
    """Mean squared error of `predict`."""
    return jnp.mean((predict(params, x) - y) ** 2)
