"""The shadow computes what JAX computes in float64, and what NumPy does."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.shadow.programs import (
    CASES,
    IMAGE,
    KERNEL,
    X,
    convolved,
    pooled,
)


def in_float64(function: Any, args: tuple[Any, ...]) -> Any:
    """JAX's own float64: the same function under x64, on wide arguments."""
    with jax.enable_x64(True):
        wide = [np.asarray(a, np.float64) for a in args]
        return jax.device_get(jax.jit(lambda *a: function(*a))(*wide))


def assert_same(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    found_leaves, tree = jax.tree.flatten(found)
    leaves, other = jax.tree.flatten(expected)
    assert tree == other
    for leaf, want in zip(found_leaves, leaves, strict=True):
        assert isinstance(leaf, np.ndarray | np.generic)
        if np.issubdtype(want.dtype, np.inexact):
            assert leaf.dtype == want.dtype
        np.testing.assert_allclose(leaf, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_jax_in_float64(name: str) -> None:
    case = CASES[name]
    found = jd.shadow(case.function)(*case.args)
    assert_same(found, in_float64(case.function, case.args), case.tolerance)


def test_integers_and_booleans_keep_their_dtype() -> None:
    def f(x: jax.Array, n: jax.Array) -> Any:
        return n * 2, n.sum(), x > 0, jnp.argmax(x), jnp.bitwise_xor(n, 5), x * n

    n = np.arange(6, dtype=np.int8)
    found = jd.shadow(f)(X[0], n)
    native = jax.device_get(jax.jit(f)(X[0], n))
    for wide, narrow in zip(found[:-1], native[:-1], strict=True):
        assert wide.dtype == narrow.dtype
        np.testing.assert_array_equal(wide, narrow)
    assert found[-1].dtype == np.float64


def test_pooling_and_its_gradient_ignore_the_casts() -> None:
    found, gradient = jd.shadow(pooled)(IMAGE)
    image = IMAGE.astype(np.float64)
    blocks = image.reshape(2, 3, 2, 3, 2, 3).max((2, 4)) / 3
    np.testing.assert_allclose(found, blocks, rtol=1e-15)
    spread = blocks.repeat(2, 1).repeat(2, 2)
    expected = np.where(image / 3 == spread, 2 * spread / 3, 0)
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)


def test_convolution_ignores_the_casts() -> None:
    def wide(x: jax.Array, k: jax.Array) -> Any:
        return lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def gradient(x: jax.Array, k: jax.Array) -> Any:
        return jax.grad(lambda k: wide(x, k).sum())(k)

    found, derivative = jd.shadow(convolved)(IMAGE, KERNEL)
    assert_same(found, in_float64(wide, (IMAGE, KERNEL)))
    assert_same(derivative, in_float64(gradient, (IMAGE, KERNEL)))


def test_narrow_dtypes_inside_leave_no_trace() -> None:
    """bf16, f16, fp8, reduced precision and accumulators of either width."""

    def f(x: jax.Array) -> Any:
        return (
            x.astype(jnp.bfloat16) / 3,
            x.astype(jnp.float16) / 3,
            x.astype(jnp.float8_e4m3fn).astype(jnp.float32) / 3,
            x.astype(jnp.float8_e5m2) * jnp.float8_e5m2(3),
            lax.reduce_precision(x / 3, 5, 2),
            jnp.sum(x, dtype=jnp.bfloat16),
            jnp.mean(x.astype(jnp.float16), 0),
            jnp.full((2,), x[0, 0], jnp.bfloat16),
        )

    x = X.astype(np.float64)
    found = jd.shadow(f)(X)
    expected = (
        x / 3,
        x / 3,
        x / 3,
        x * 3,
        x / 3,
        x.sum(),
        x.mean(0),
        np.full(2, x[0, 0]),
    )
    for wide, want in zip(found, expected, strict=True):
        assert wide.dtype == np.float64
        np.testing.assert_allclose(wide, want, rtol=1e-14)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float32])
def test_arguments_of_any_dtype_become_float64(dtype: Any) -> None:
    x = X.astype(dtype)
    found = jd.shadow(lambda x: x * x)(x)
    np.testing.assert_array_equal(found, x.astype(np.float64) ** 2)


def test_mixed_precision_products_are_exact() -> None:
    """Operands of two dtypes, accumulators named by hand, dot algorithms."""

    def f(x: jax.Array) -> Any:
        half, full = x.astype(jnp.bfloat16), x
        return (
            lax.dot(half, half.T, preferred_element_type=jnp.float32),
            lax.dot_general(
                half, full, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32
            ),
            jnp.matmul(half, half.T),
            lax.dot(
                full, full.T, precision=lax.DotAlgorithmPreset.F32_F32_F32,
                preferred_element_type=jnp.float32,
            ),
            jnp.einsum("ij,kj->ik", half, half, preferred_element_type=jnp.bfloat16),
        )  # fmt: skip

    x = X.astype(np.float64)
    for product in jd.shadow(f)(X):
        np.testing.assert_allclose(product, x @ x.T, rtol=1e-13, atol=1e-14)


def test_integer_products_with_float_accumulators_keep_their_operands() -> None:
    def f(n: jax.Array) -> jax.Array:
        return lax.dot(n, n.T, preferred_element_type=jnp.int32)

    n = np.arange(6, dtype=np.int8).reshape(2, 3)
    found = jd.shadow(f)(n)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, n.astype(int) @ n.T)


def test_float64_digits_of_arguments_survive() -> None:
    found = jd.shadow(lambda x: x - 1)(1 + 1e-12)
    assert found == (1 + 1e-12) - 1
    x = np.array([1 + 1e-12, 2 + 1e-13])
    np.testing.assert_array_equal(
        jd.shadow(lambda x, y: x - y)(x, X[0, :2] * 0 + 1), x - 1
    )


def test_constants_of_the_closure_and_literals() -> None:
    """A float64 constant was rounded when the trace took it; the sum is wide."""
    weights = jnp.asarray(X)
    found = jd.shadow(lambda x: x @ weights.T / 3 + 0.1 + np.float32(0.1))(X)
    x = X.astype(np.float64)
    expected = x @ x.T / 3 + 0.1 + float(np.float32(0.1))
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    twin = x @ x.T / 3 + float(np.float32(0.1)) * 2
    np.testing.assert_allclose(found, twin, rtol=1e-14)
