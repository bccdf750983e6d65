"""Functions of arrays from jax.nn, jax.numpy.linalg and jax.scipy, all right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
from jax import nn

from tests.verification.correct_program import (
    Correct,
    orthogonal,
    scaled,
    some,
    spread,
)

Rng = np.random.Generator

GAP = 0.02
"""Between the two nearest eigenvalues or singular values."""


def activations() -> Correct:
    """With zeros among the arguments, and some far out."""
    smooth = (nn.silu, nn.mish, nn.softplus, nn.selu, nn.elu, nn.celu, nn.log_sigmoid)
    more = (nn.squareplus, nn.soft_sign, nn.sigmoid, nn.tanh, nn.identity)

    def function(x: Any) -> Any:
        out = {f.__name__: f(x) for f in (*smooth, *more)}
        return {**out, "gelu": nn.gelu(x), "erf": nn.gelu(x, approximate=False)}

    def draw(rng: Rng) -> Any:
        return (some(rng, some(rng, scaled(rng, 24), 0), rng.choice([-30, 1e-6, 30])),)

    return Correct(function, draw)


def kinked() -> Correct:
    """At their kinks and between them."""
    names = (nn.relu, nn.relu6, nn.leaky_relu, nn.hard_tanh, nn.hard_sigmoid)
    more = (nn.hard_swish, nn.sparse_plus, nn.sparse_sigmoid, jnp.abs)

    def function(x: Any) -> Any:
        return [f(x) for f in (*names, *more)], jnp.clip(x, -2, 2), jnp.max(x, 1)

    def draw(rng: Rng) -> Any:
        whole = np.rint(3 * rng.normal(size=(6, 5)))
        return (np.where(rng.random((6, 5)) < 0.5, whole, scaled(rng, 6, 5)),)

    return Correct(function, draw)


def cross_entropy() -> Correct:
    """Large logits, some classes masked, integer labels."""

    def function(logits: Any, labels: Any, mask: Any) -> Any:
        own = jnp.take_along_axis(nn.log_softmax(logits), labels[:, None], 1)
        weights = nn.softmax(logits, where=mask, axis=-1)
        return own, weights, nn.logsumexp(logits, where=mask, axis=-1)

    def draw(rng: Rng) -> Any:
        mask = rng.random((6, 10)) < 0.7
        mask[:, 0] = True
        return scaled(rng, 6, 10, high=2), rng.integers(0, 10, 6), mask

    return Correct(function, draw)


def attention() -> Correct:
    """Causal, padded, in bfloat16."""

    def function(arrays: Any, lengths: Any) -> Any:
        return nn.dot_product_attention(
            *arrays, is_causal=True, key_value_seq_lengths=lengths
        )

    def draw(rng: Rng) -> Any:
        arrays = [scaled(rng, 2, 6, 2, 4, low=-1, high=0.5) for _ in range(3)]
        narrow = [jnp.asarray(array, jnp.bfloat16) for array in arrays]
        return narrow, rng.integers(1, 7, 2).astype(np.int32)

    return Correct(function, draw)


def relu_network() -> Correct:
    """Blank pixels and zero biases: many pre-activations are exactly zero."""

    def function(params: Any, x: Any, labels: Any) -> Any:
        h = nn.relu(x @ params["w"] + params["b"])
        h = nn.glu(nn.standardize(h, epsilon=1e-3) @ params["v"] + params["c"])
        return -jnp.mean(nn.one_hot(labels, 4) * nn.log_softmax(h))

    def draw(rng: Rng) -> Any:
        w, v = scaled(rng, 9, 12, low=-1), scaled(rng, 12, 8, low=-1, high=0)
        x = rng.random((8, 9)) * (rng.random((8, 9)) < 0.5)
        x[:2] = 0
        params = {"w": w, "b": np.zeros(12), "v": v, "c": np.zeros(8)}
        return params, x, rng.integers(0, 4, 8)

    return Correct(function, draw)


def eigenvalues() -> Correct:
    """And what does not depend on the signs of the eigenvectors."""

    def function(a: Any) -> Any:
        values, vectors = jnp.linalg.eigh(a)
        return values, (vectors * jnp.exp(-values)) @ vectors.T

    def draw(rng: Rng) -> Any:
        q, values = orthogonal(rng, 5, 5), spread(rng, 5, GAP)
        return ((q * (values - rng.uniform(0, 3))) @ q.T,)

    return Correct(function, draw)


def singular_values() -> Correct:
    def function(a: Any) -> Any:
        u, s, v = jnp.linalg.svd(a, full_matrices=False)
        return s, (u * jnp.tanh(s)) @ v, jnp.linalg.norm(a, "nuc")

    def draw(rng: Rng) -> Any:
        u, v, s = orthogonal(rng, 5, 3), orthogonal(rng, 3, 3), spread(rng, 3, GAP)
        return (10 ** rng.uniform(-2, 2) * (u * s) @ v.T,)

    return Correct(function, draw)


def orthogonal_factors() -> Correct:
    def function(a: Any) -> Any:
        q, r = jnp.linalg.qr(a)
        return q, r, jnp.sum(jnp.log(jnp.abs(jnp.diag(r))))

    return Correct(function, lambda rng: (scaled(rng, 5, 3),))


def covariance() -> Correct:
    """A Gaussian's likelihood, with condition numbers up to a thousand."""

    def function(a: Any, y: Any) -> Any:
        factor = jnp.linalg.cholesky(a)
        white = jsp.linalg.solve_triangular(factor, y, lower=True)
        _, size = jnp.linalg.slogdet(a)
        return jnp.sum(white**2) + size, jnp.linalg.inv(a), jnp.linalg.det(a)

    def draw(rng: Rng) -> Any:
        q, values = orthogonal(rng, 4, 4), 10 ** rng.uniform(-2, 1, 4)
        return (q * values) @ q.T, rng.normal(size=4)

    return Correct(function, draw)


def least_squares() -> Correct:
    def function(a: Any, b: Any) -> Any:
        solution, *_ = jnp.linalg.lstsq(a, b)
        return jnp.linalg.pinv(a), solution, jnp.linalg.solve(a.T @ a, a.T @ b)

    def draw(rng: Rng) -> Any:
        u, v, s = orthogonal(rng, 6, 3), orthogonal(rng, 3, 3), rng.uniform(0.3, 3, 3)
        return 10 ** rng.uniform(-1, 1) * (u * s) @ v.T, rng.normal(size=6)

    return Correct(function, draw)


def norms() -> Correct:
    def function(a: Any) -> Any:
        of_rows = [jnp.linalg.norm(a, order, axis=1) for order in (1, 2, 3, jnp.inf)]
        whole = [jnp.linalg.norm(a, order) for order in (None, 2, 1, jnp.inf)]
        powers = (
            jnp.linalg.matrix_power(a[:, :3], 3),
            jnp.linalg.multi_dot([a.T, a, a.T]),
        )
        return of_rows, whole, powers

    return Correct(function, lambda rng: (scaled(rng, 3, 4),))


def special_functions() -> Correct:
    """Each inside its domain, up to near its end."""
    real = (jsp.special.i0e, jsp.special.i1e, jsp.special.expit, jsp.special.erf)
    more = (jsp.special.ndtr, jsp.special.log_ndtr, jsp.special.erfc)
    positive = (jsp.special.gammaln, jsp.special.digamma, jsp.special.entr)
    shares = (jsp.special.ndtri, jsp.special.logit, jsp.special.erfinv)

    def function(x: Any) -> Any:
        on_line = [f(x["real"]) for f in (*real, *more)]
        above = [f(x["positive"]) for f in positive]
        inside = [f(x["share"]) for f in shares]
        pair = (
            jsp.special.betaln(x["positive"], 2.5),
            jsp.special.xlogy(2.0, x["share"]),
        )
        return on_line, above, inside, pair

    def draw(rng: Rng) -> Any:
        real = some(rng, rng.normal(size=8) * 2, 0)
        share = some(rng, rng.uniform(0.01, 0.99, 8), 1e-3)
        positive = 10 ** rng.uniform(-1, 2, 8)
        return ({"real": real, "positive": positive, "share": share},)

    return Correct(function, draw)


def incomplete_integrals() -> Correct:
    def function(x: Any, a: Any, b: Any) -> Any:
        share, length = x["share"], x["length"]
        return (
            jsp.special.betainc(a, b, share),
            jsp.special.gammainc(a, length),
            jsp.special.gammaincc(a, length),
            jsp.special.gammainc(x["shape"], b),
        )

    def draw(rng: Rng) -> Any:
        a, b = 10 ** rng.uniform(-0.3, 1, (2, 6))
        share, length = rng.uniform(0.02, 0.98, 6), 10 ** rng.uniform(-1, 1, 6)
        shape = 10 ** rng.uniform(-0.3, 0.8, 6)
        return {"share": share, "length": length, "shape": shape}, a, b

    return Correct(function, draw)


def log_densities() -> Correct:
    """With integer counts and a mean, a scale and a shape each."""

    def function(p: Any, x: Any, counts: Any) -> Any:
        s, at, scale = jsp.stats, p["at"], jnp.exp(p["log_scale"])
        shape = nn.softplus(p["shape"]) + 0.1
        two = jsp.stats.multivariate_normal.logpdf(
            x[:2], at[:2], jnp.diag(scale[:2]) + 0.1
        )
        share = 0.01 + 0.98 * nn.sigmoid(x)  # within (0, 1) in float32 too
        return [
            s.norm.logpdf(x, at, scale),
            s.t.logpdf(x, 1 + shape, at, scale),
            s.cauchy.logpdf(x, at, scale),
            s.logistic.logpdf(x, at, scale),
            s.laplace.logpdf(x, at, scale),
            s.gamma.logpdf(x**2 + 0.1, shape, scale=scale),
            s.beta.logpdf(share, shape, scale),
            s.poisson.logpmf(counts, shape),
            s.dirichlet.logpdf(share / share.sum(), shape),
            s.norm.logcdf(x, at, scale),
            two,
        ]

    def draw(rng: Rng) -> Any:
        p = {name: rng.normal(size=5) for name in ("at", "log_scale", "shape")}
        return p, scaled(rng, 5), rng.integers(0, 9, 5)

    return Correct(function, draw)


def matrix_equations() -> Correct:
    def function(a: Any, b: Any) -> Any:
        upper = jnp.triu(a) + 3 * jnp.eye(4)
        positive = a @ a.T + jnp.eye(4)
        factor = jsp.linalg.cho_factor(positive)
        return (
            jsp.linalg.expm(a),
            jsp.linalg.solve_triangular(upper, b, trans=1),
            jsp.linalg.cho_solve(factor, b),
            jsp.linalg.lu_solve(jsp.linalg.lu_factor(a + 5 * jnp.eye(4)), b),
            jsp.special.logsumexp(a, b=jnp.abs(b)[:, None], axis=0),
        )

    return Correct(
        function, lambda rng: (scaled(rng, 4, 4, high=0), rng.normal(size=4))
    )


ARRAYS: dict[str, Callable[[], Correct]] = {
    "jax.nn activations": activations,
    "jax.nn kinked activations": kinked,
    "jax.nn cross entropy": cross_entropy,
    "jax.nn attention, bfloat16": attention,
    "jax.nn relu network": relu_network,
    "jax.numpy.linalg eigh": eigenvalues,
    "jax.numpy.linalg svd": singular_values,
    "jax.numpy.linalg qr": orthogonal_factors,
    "jax.numpy.linalg cholesky, inv, det": covariance,
    "jax.numpy.linalg pinv, lstsq, solve": least_squares,
    "jax.numpy.linalg norms": norms,
    "jax.scipy.special": special_functions,
    "jax.scipy.special betainc, gammainc": incomplete_integrals,
    "jax.scipy.stats": log_densities,
    "jax.scipy.linalg": matrix_equations,
}
