"""What fails in the forward pass."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.nonfinite.case import Cases

FORWARD = Cases()


def f32(*values: float) -> np.ndarray:
    return np.asarray(values, np.float32)


def f16(*values: float) -> np.ndarray:
    return np.asarray(values, np.float16)


@FORWARD.add("log", f32(2, 0.5, 3), reason="log of -0.5")
def log_of_negative(x: Any) -> Any:
    y = x - 1
    return jnp.log(y).sum()  # failed


@FORWARD.add("div", f32(0, 0), reason="the norm of a zero vector")
def unit_vector_of_zero(x: Any) -> Any:
    return x / jnp.linalg.norm(x)  # failed


@FORWARD.add(
    "div",
    np.array([[1, 2, 3], [2, 2, 2]], np.float32),
    reason="the normalisation of a constant row",
)
def standardised_constant_row(x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return (centred / x.std(-1, keepdims=True)).sum()  # failed


@FORWARD.add("sub", f32(1, 2, 3), reason="every entry of the row is masked")
def softmax_of_a_masked_row(x: Any) -> Any:
    scores = jnp.where(x > 5, x, -jnp.inf)
    return jax.nn.softmax(scores)  # failed


@FORWARD.add("sub", np.ones((4, 4), np.float32), reason="masked")
def attention_whose_mask_forbids_all(x: Any) -> Any:
    mask = jnp.tril(jnp.ones((4, 4)), -1)  # the first row sees nothing
    bias = jnp.where(mask == 1, 0.0, -jnp.inf)
    return jax.nn.softmax(x @ x.T + bias, axis=-1) @ x  # failed


@FORWARD.add("sub", np.ones((3, 3), np.float32), reason="masked")
def mask_that_is_the_log_of_a_triangle(x: Any) -> Any:
    bias = jnp.log(jnp.tril(jnp.ones((3, 3)), -1))
    scores = x + bias
    return jnp.exp(scores - scores.max(-1, keepdims=True))  # failed


@FORWARD.add("div", f32(1, 100), cause="exp", reason="exp overflow in float32 at 100")
def softmax_by_hand(x: Any) -> Any:
    e = jnp.exp(x)  # cause
    return e / e.sum()  # failed


@FORWARD.add("sub", f16(1, 11.1), cause="exp", reason="exp overflow in float16 at 11.1")
def exp_overflow_in_half_precision(x: Any) -> Any:
    e = jnp.exp(x)  # cause
    return e - e.max()  # failed


@FORWARD.add("mul", f32(0.5, 0.5, 0), cause="log", reason="log of 0")
def entropy_of_a_zero(p: Any) -> Any:
    logs = jnp.log(p)  # cause
    return -(p * logs).sum()  # failed


@FORWARD.add("sqrt", f32(0, 0, 0), reason="negative")
def root_of_a_rounded_variance(x: Any) -> Any:
    variance = jnp.mean(x**2) - jnp.mean(x) ** 2 - 1e-9
    return jnp.sqrt(variance)  # failed


@FORWARD.add("acos", f32(1, 0), f32(1.0001, 0), reason="outside [-1, 1]")
def angle_of_a_long_vector(a: Any, b: Any) -> Any:
    return jnp.arccos(a @ b)  # failed


@FORWARD.add("pow", f32(4, -2), reason="-2 to the power 0.5")
def power_of_a_negative(x: Any) -> Any:
    half = x[0] / 8
    return jnp.power(x, half)  # failed


@FORWARD.add("rem", f32(3, 4), f32(2, 0), reason="remainder")
def remainder_by_zero(x: Any, y: Any) -> Any:
    return jax.lax.rem(x, y)  # failed


@FORWARD.add(
    "sub",
    np.full((2, 4), 200, np.float16),
    np.full((4, 2), 200, np.float16),
    cause="dot_general",
    reason="a matrix product exceeds",
)
def product_overflow_in_half_precision(x: Any, w: Any) -> Any:
    scores = x @ w  # cause
    return scores - scores.max(-1, keepdims=True)  # failed


@FORWARD.add("gather", f32(1, 2, 3), np.array([0, 7]), reason="out of bounds")
def row_out_of_bounds(table: Any, rows: Any) -> Any:
    return jnp.take(table, rows, axis=0).sum()  # failed


@FORWARD.add("div", f32(1, 2), f32(0, 0), reason="a sum that is 0")
def mean_of_nothing(x: Any, mask: Any) -> Any:
    return (x * mask).sum() / mask.sum()  # failed


@FORWARD.add("exp", f32(1, 100), kind="inf", reason="exp overflow in float32 at 100")
def log_of_summed_exponentials(x: Any) -> Any:
    e = jnp.exp(x)  # failed
    return jnp.log(e.sum())


@FORWARD.add("div", f32(1, 0), kind="inf", reason="division by 0")
def reciprocal_of_zero(x: Any) -> Any:
    return 1 / x  # failed


@FORWARD.add("", f32(1, np.nan), f32(1, 2), given="argument 0")
def nan_in_the_data(x: Any, y: Any) -> Any:
    return ((x - y) ** 2).mean()


@FORWARD.add("sub", f32(1, np.inf), given="argument 0", reason="inf - inf")
def infinity_in_the_data(x: Any) -> Any:
    return x - x.mean()  # failed


@FORWARD.add("convert_element_type", f32(7e4, 1), kind="inf", reason="does not fit")
def cast_that_overflows(x: Any) -> Any:
    return x.astype(jnp.float16)  # failed


@FORWARD.add("sub", np.full(9, 1e4, np.float16), cause="cumsum", reason="a sum exceeds")
def running_sum_in_half_precision(x: Any) -> Any:
    total = jnp.cumsum(x)  # cause
    return total[1:] - total[:-1]  # failed


@FORWARD.add("sub", f32(0, 1), f32(0, 1), cause="log", reason="log of 0")
def divergence_of_two_zeros(p: Any, q: Any) -> Any:
    ratio = jnp.log(p) - jnp.log(q)  # failed and cause
    return (p * ratio).sum()


@FORWARD.add("div", f32(0, 0), f32(1, 2), reason="the norm of a zero vector")
def cosine_of_a_zero_vector(a: Any, b: Any) -> Any:
    lengths = jnp.linalg.norm(a) * jnp.linalg.norm(b)
    return a @ b / lengths  # failed


@FORWARD.add("div", f32(3, 3, 3), reason="constant row")
def scaled_to_the_range_of_a_constant(x: Any) -> Any:
    return (x - x.min()) / (x.max() - x.min())  # failed


@FORWARD.add("convert_element_type", f32(1, 500), reason="does not fit float8_e4m3fn")
def cast_to_eight_bits(x: Any) -> Any:
    return x.astype(jnp.float8_e4m3fn).astype(jnp.float32)  # failed


@FORWARD.add("select_n", f32(1, -1), reason="a NaN written as a constant")
def nan_for_what_is_not_defined(x: Any) -> Any:
    return jnp.where(x > 0, x, jnp.nan)  # failed


@FORWARD.add("mul", f32(1, 2), reason="0 * inf")
def mask_times_infinity(x: Any) -> Any:
    mask = (x > 1).astype(jnp.float32)
    bias = (1 - mask) * -jnp.inf  # failed
    return x + bias


@FORWARD.add("atanh", f32(1.5), reason="outside [-1, 1]")
def inverse_of_a_saturated_tanh(x: Any) -> Any:
    return jnp.arctanh(x)  # failed


@FORWARD.add("mul", np.ones((2, 3), np.float32), cause="rsqrt", reason="rsqrt of 0")
def layer_norm_without_epsilon(x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    inverse = jax.lax.rsqrt((centred**2).mean(-1, keepdims=True))  # cause
    return centred * inverse  # failed


@FORWARD.add("log1p", f32(-2), reason="log1p of -2")
def log1p_of_a_large_loss(x: Any) -> Any:
    return jnp.log1p(x)  # failed


@FORWARD.add("erf_inv", f32(1.2), reason="outside")
def quantile_of_no_probability(x: Any) -> Any:
    return jax.scipy.special.erfinv(x)  # failed


@FORWARD.add("sin", f32(1, 0), cause="div", reason="sin of an infinity")
def phase_of_a_pole(x: Any) -> Any:
    frequency = 1 / x  # cause
    return jnp.sin(frequency)  # failed


@FORWARD.add("add", f32(1e20, 1), cause="mul", reason="overflow in float32")
def difference_of_overflows(x: Any) -> Any:
    square = x * x  # cause
    return square + -square  # failed


@FORWARD.add("reduce_sum", f32(100, 1), cause="exp", reason="inf - inf in a sum")
def sum_of_two_signs(x: Any) -> Any:
    e = jnp.exp(x)  # cause
    return jnp.sum(jnp.concatenate([e, -e]))  # failed


@FORWARD.add(
    "dot_general", f32(0, 1), f32(100, 1), cause="exp", reason="in a matrix product"
)
def product_of_a_zero_and_an_infinity(a: Any, b: Any) -> Any:
    e = jnp.exp(b)  # cause
    return a @ e  # failed


@FORWARD.add("div", np.array([1 + 1j, 0], np.complex64))
def phase_of_a_complex_zero(z: Any) -> Any:
    return z / jnp.abs(z)  # failed
