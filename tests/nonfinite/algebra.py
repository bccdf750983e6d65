"""What fails in linear algebra, forward and backward."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.nonfinite.case import Cases
from tests.nonfinite.forward import f32

ALGEBRA = Cases()
NEGATIVE = -np.eye(3, dtype=np.float32)
ZERO = np.zeros((3, 3), np.float32)
ONES = np.ones((3, 3), np.float32)


@ALGEBRA.add("cholesky", NEGATIVE, reason="not positive definite")
def cholesky_of_a_negative_matrix(a: Any) -> Any:
    return jnp.linalg.cholesky(a).sum()  # failed


@ALGEBRA.add("cholesky", np.stack([np.eye(3, dtype=np.float32), NEGATIVE]))
def cholesky_of_a_batch(a: Any) -> Any:
    return jnp.log(jnp.diagonal(jnp.linalg.cholesky(a), 0, 1, 2)).sum()  # failed


@ALGEBRA.add("cholesky", f32(1, 1, 2), reason="not positive definite")
def covariance_of_two_equal_points(x: Any) -> Any:
    k = jnp.exp(-((x[:, None] - x[None, :]) ** 2)) - 1e-3 * jnp.eye(3)
    factor = jax.scipy.linalg.cholesky(k, lower=True)  # failed
    return jax.scipy.linalg.cho_solve((factor, True), x).sum()


@ALGEBRA.add("triangular_solve", ZERO, f32(1, 2, 3), reason="singular")
def solve_with_a_singular_matrix(a: Any, b: Any) -> Any:
    return jnp.linalg.solve(a, b)  # failed


@ALGEBRA.add("triangular_solve", ONES, reason="singular")
def inverse_of_a_singular_matrix(a: Any) -> Any:
    return jnp.linalg.inv(a)  # failed


@ALGEBRA.add("log", ZERO, kind="inf", reason="log of 0")
def log_determinant_of_zero(a: Any) -> Any:
    return jnp.log(jnp.linalg.det(a))  # failed


@ALGEBRA.add(
    "dot_general",
    np.eye(3, dtype=np.float32),
    cause="integer_pow",
    through=jax.grad,
    direction="backward",
)
def eigenvectors_of_equal_eigenvalues(a: Any) -> Any:
    values, vectors = jnp.linalg.eigh(a)  # failed and cause
    return (vectors[0] * values).sum()


@ALGEBRA.add("triangular_solve", ZERO, through=jax.grad, direction="backward")
def gradient_of_a_singular_qr(a: Any) -> Any:
    q, r = jnp.linalg.qr(a)  # failed
    return (q * r).sum()


@ALGEBRA.add("sub", f32(1, 100), cause="exp")
def matrix_that_is_infinite(x: Any) -> Any:
    e = jnp.exp(x)  # cause
    a = jnp.eye(2) * (e - e[1])  # failed
    return jnp.linalg.eigh(a)[0].sum()


@ALGEBRA.add("cholesky", f32(1, 100), cause="exp", reason="exp overflow")
def covariance_that_is_infinite(x: Any) -> Any:
    e = jnp.exp(x)  # cause
    return jnp.linalg.cholesky(jnp.outer(e, e)).sum()  # failed


@ALGEBRA.add("triangular_solve", np.tril(ONES, -1), f32(1, 2, 3), reason="singular")
def solve_without_a_diagonal(low: Any, b: Any) -> Any:
    return jax.scipy.linalg.solve_triangular(low, b, lower=True)  # failed


@ALGEBRA.add("div", f32(0, 0, 0), reason="0/0")
def power_iteration_from_zero(v: Any) -> Any:
    a = jnp.eye(3)
    w = a @ v
    return w / jnp.sqrt((w * w).sum())  # failed


@ALGEBRA.add("div", ZERO, f32(1, 2, 3))
def custom_linear_solve_by_the_diagonal(a: Any, b: Any) -> Any:
    def solve(_: Any, b: Any) -> Any:
        return (b - b) / jnp.diagonal(a)  # failed

    return jax.lax.custom_linear_solve(lambda v: a @ v, b, solve, solve)
