"""Functions of JAX, Optax, Flax and Equinox that have derivative rules of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from flax.linen import fp8_ops
from hypothesis import strategies as st
from jax.scipy import special

from jaxdebug.testing.strategies.arrays import arrays


class Case(NamedTuple):
    """A function, and what it can be asked."""

    function: Callable[..., Any]
    inputs: Any = None
    settings: Mapping[str, Any] = MappingProxyType({})
    breaks: tuple[str, ...] = ()
    """Properties that it does not have."""


PLAIN = arrays((3, 4))
INNER = arrays((3, 4), low=0.1, high=0.9, kinds=["random"])
POSITIVE = arrays((3, 4), low=0.2, high=3.0, kinds=["random"])
LARGER = POSITIVE.map(lambda x: x + 3.0)
INSIDE = {"domain": (0.1, 0.9)}
ABOVE = {"domain": (0.2, 3.0)}
SQUARE = arrays((4, 4), kinds=["random"]).map(lambda x: x + 9.0 * jnp.eye(4))
NEAR: dict[str, Any] = {"domain": (-3.0, 3.0)}
SCALE = st.just(jnp.ones((1,)))
HISTORY = st.just(jnp.ones((4,)))
FP8 = (jnp.float32, jnp.float8_e4m3fn)
OVERWRITES = "gradients", "linear", "zero", "dtype"
"""Flax hands new scales to the optimiser in the place of a gradient."""

DIMENSIONS = (((1,), (0,)), ((), ()))


@jax.custom_jvp
def gradient_free(x: Any) -> Any:
    """A control: its derivative is meant to be another."""
    return jnp.round(x)


gradient_free.defjvp(lambda x, t: (gradient_free(*x), t[0]))


CASES: dict[str, Case] = {
    "jax.nn.relu": Case(jax.nn.relu),
    "jax.nn.relu6": Case(jax.nn.relu6),
    "jax.nn.hard_sigmoid": Case(jax.nn.hard_sigmoid),
    "jax.nn.hard_silu": Case(jax.nn.hard_silu),
    "jax.nn.softplus": Case(jax.nn.softplus),
    "jax.nn.log_sigmoid": Case(jax.nn.log_sigmoid),
    "jax.nn.mish": Case(jax.nn.mish),
    "jax.nn.log1mexp": Case(jax.nn.log1mexp, POSITIVE, ABOVE),
    "jax.numpy.logaddexp": Case(jnp.logaddexp, (PLAIN, PLAIN)),
    "jax.numpy.logaddexp2": Case(jnp.logaddexp2, (PLAIN, PLAIN)),
    "jax.numpy.sinc": Case(jnp.sinc, PLAIN, breaks=("gradients", "finite")),
    "jax.numpy.i0": Case(jnp.i0, PLAIN, NEAR | {"order": 2}, ("gradients",)),
    "jax.numpy.linalg.det": Case(jnp.linalg.det, SQUARE, {"skip": ["finite"]}),
    "jax.numpy.linalg.slogdet": Case(jnp.linalg.slogdet, SQUARE, {"skip": ["finite"]}),
    "jax.numpy.linalg.pinv": Case(jnp.linalg.pinv, SQUARE, {"skip": ["finite"]}),
    "special.entr": Case(special.entr, POSITIVE, ABOVE),
    "special.xlogy": Case(special.xlogy, (POSITIVE, POSITIVE), ABOVE),
    "special.xlog1py": Case(special.xlog1py, (POSITIVE, POSITIVE), ABOVE),
    "special.kl_div": Case(special.kl_div, (POSITIVE, LARGER), ABOVE),
    "special.rel_entr": Case(special.rel_entr, (POSITIVE, POSITIVE), ABOVE),
    "special.logit": Case(special.logit, INNER, INSIDE),
    "special.log_ndtr": Case(special.log_ndtr, (PLAIN, 3), NEAR, ("dtype",)),
    "special.exp1": Case(special.exp1, POSITIVE, ABOVE),
    "special.expn": Case(lambda x: special.expn(2, x), POSITIVE, ABOVE),
    "special.poch": Case(special.poch, (POSITIVE, POSITIVE), ABOVE),
    "optax.projections.projection_simplex": Case(
        optax.projections.projection_simplex,
        arrays((5,), kinds=["random"]),
        breaks=("dtype",),
    ),
    "optax.projections.projection_l1_ball": Case(
        optax.projections.projection_l1_ball,
        arrays((5,), kinds=["random"]),
        breaks=("dtype",),
    ),
    "optax.losses.safe_softmax_cross_entropy": Case(
        optax.losses.safe_softmax_cross_entropy, (PLAIN, INNER)
    ),
    "optax.scale_gradient": Case(
        lambda x: optax.scale_gradient(x, 0.5),
        None,
        {"expected": ["_scale_gradient"]},
    ),
    "flax.fp8_ops.in_qdq": Case(
        fp8_ops.in_qdq, (*FP8, PLAIN, SCALE, HISTORY), breaks=OVERWRITES
    ),
    "flax.fp8_ops.out_qdq": Case(
        fp8_ops.out_qdq, (*FP8, PLAIN, SCALE, HISTORY), breaks=OVERWRITES
    ),
    "flax.fp8_ops.dot_general_with_precision": Case(
        fp8_ops.dot_general_with_precision,
        (arrays((3, 4)), arrays((4, 2)), DIMENSIONS, None, None),
    ),
    "equinox.error_if": Case(lambda x: eqx.error_if(x, x > 1e6, "large")),
    "straight-through": Case(gradient_free, None, {"expected": ["gradient_free"]}),
}
"""What is tried, and the properties that are known not to hold."""
