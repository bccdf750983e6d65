"""What fails in the backward pass although the forward pass is finite."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.nonfinite.case import Cases
from tests.nonfinite.forward import f32

BACKWARD = Cases()
HALVES = np.full(3, 300, np.float16)
BACK: dict[str, Any] = {"through": jax.grad, "direction": "backward"}


@BACKWARD.add("mul", f32(0, 1), cause="div", reason="in the derivative of sqrt", **BACK)
def root_in_the_branch_not_taken(x: Any) -> Any:
    return jnp.where(x > 0, jnp.sqrt(x), 0.0).sum()  # failed and cause


@BACKWARD.add("div", f32(0, 1), reason="where: the branch not taken", **BACK)
def log_in_the_branch_not_taken(x: Any) -> Any:
    logs = jnp.log(x)  # failed
    return jnp.where(x > 0, logs, 0.0).sum()


@BACKWARD.add("mul", f32(0, 1), cause="integer_pow", reason="where: the b", **BACK)
def sinc_by_hand(x: Any) -> Any:
    ratio = jnp.sin(x) / x  # failed and cause
    return jnp.where(x == 0, 1.0, ratio).sum()


@BACKWARD.add("mul", f32(0, 0), cause="div", reason="the norm of a zero vector", **BACK)
def norm_of_zero(x: Any) -> Any:
    return jnp.linalg.norm(x)  # failed and cause


@BACKWARD.add("mul", f32(2, 2, 2), cause="div", reason="a constant row", **BACK)
def spread_of_a_constant(x: Any) -> Any:
    return x.std()  # failed and cause


@BACKWARD.add("mul", f32(1, 2, 3), cause="div", reason="derivative of sqrt", **BACK)
def distances_with_a_zero_diagonal(x: Any) -> Any:
    squares = (x[:, None] - x[None, :]) ** 2  # failed
    return jnp.sqrt(squares).sum()  # cause


@BACKWARD.add("mul", f32(1, 100), cause="exp", reason="exp overflow", **BACK)
def logsumexp_by_hand(x: Any) -> Any:
    e = jnp.exp(x)  # failed and cause
    return jnp.tanh(jnp.log(e.sum()))


@BACKWARD.add(
    "rsqrt", f32(1, 0.5), kind="inf", through=jax.grad, reason="division by 0"
)
def arccos_at_one(x: Any) -> Any:
    return jnp.arccos(x).sum()  # failed


@jax.custom_vjp
def careless(x: Any) -> Any:
    return jnp.abs(x)


def careless_forward(x: Any) -> Any:
    return jnp.abs(x), x


def careless_backward(x: Any, cotangent: Any) -> Any:
    return (cotangent * x / jnp.abs(x),)


careless.defvjp(careless_forward, careless_backward)


@BACKWARD.add("div", f32(0, 1), reason="0/0", **BACK)
def rule_that_divides_by_zero(x: Any) -> Any:
    return careless(x).sum()  # failed


@jax.custom_jvp
def root(x: Any) -> Any:
    return jnp.sqrt(x)


@root.defjvp
def root_derivative(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    y = jnp.sqrt(x)
    slope = 0.5 / y  # cause
    return y, slope * t  # failed


@BACKWARD.add("mul", f32(0, 1), cause="div", source=root_derivative, **BACK)
def rule_whose_slope_is_infinite(x: Any) -> Any:
    return jnp.where(x > 0, root(x), 0.0).sum()


@BACKWARD.add(
    "mul", f32(0, 0), f32(1, 2), cause="pow", reason="0 to the power -0.5", **BACK
)
def fractional_power_of_zero(x: Any, y: Any) -> Any:
    p = x**0.5  # failed and cause
    return (p * y * 0).sum()


@BACKWARD.add("mul", f32(0, 0), cause="div", **BACK)
def penalty_on_a_gradient_that_is_zero(w: Any) -> Any:
    gradient = jax.grad(lambda w: (w**3).sum())(w)
    return (jnp.linalg.norm(gradient) - 1) ** 2  # failed and cause


@BACKWARD.add(
    "mul", HALVES, HALVES, kind="inf", reason="overflow in float16: 1e+04 * 300", **BACK
)
def loss_scaled_too_much(w: Any, x: Any) -> Any:
    y = w * x  # failed
    return y.sum().astype(jnp.float32) * 1e4


@BACKWARD.add("mul", f32(0, 2), cause="integer_pow", reason="where: ", **BACK)
def absolute_value_as_a_root(x: Any) -> Any:
    size = jnp.where(x != 0, x * x / x, 0.0)  # failed and cause
    return size.sum()


@BACKWARD.add("mul", np.ones((2, 3), np.float32), cause="rsqrt", **BACK)
def batch_norm_of_a_constant_without_epsilon(x: Any) -> Any:
    variance = ((x - x.mean()) ** 2).mean()
    inverse = jax.lax.rsqrt(variance)  # failed and cause
    return jnp.where(variance > 0, inverse, 0.0) * 2
