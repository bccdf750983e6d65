"""Functions whose derivatives are right, of every form that arguments can have."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.verification.case import OPEN, PASS, Case, normal, with_rule


def _network(params: Any, x: Any, labels: Any) -> Any:
    h = jnp.tanh(x @ params["w1"] + params["b1"])
    logits = jax.nn.log_softmax(h @ params["w2"] + params["b2"])
    return -jnp.mean(jnp.take_along_axis(logits, labels[:, None], 1))


def _descent(x: Any) -> Any:
    def step(x: Any, _: Any) -> Any:
        gradient = jnp.where(x > 0, 2 * x, x)
        return x - 0.1 * gradient, None

    return lax.scan(step, x, None, length=10)[0].sum()


def _wrapped(x: Any) -> Any:
    def inner(x: Any) -> Any:
        return jnp.sin(x) * x

    looped = lax.scan(lambda c, row: (c + inner(row), None), jnp.zeros_like(x[0]), x)[0]
    chosen = lax.cond(x[0] > -10, inner, jnp.cos, x[0])
    return (
        jax.checkpoint(inner)(x),
        jax.jit(inner)(x),
        jax.vmap(inner)(x),
        looped,
        chosen,
    )


def _newton(a: Any) -> Any:
    def root(a: Any) -> Any:
        return lax.while_loop(
            lambda s: jnp.abs(s * s - a) > 1e-3, lambda s: (s + a / s) / 2, a
        )

    return with_rule(root, lambda s, g: (g / (2 * s),), lambda a: (root(a),) * 2)(a)


def _on_host(x: Any) -> Any:
    struct = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.sin, struct, x)


def _sine(x: Any) -> Any:
    return jnp.sin(x)


def _cosine_on_host(x: Any, g: Any) -> Any:
    struct = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return (g * jax.pure_callback(np.cos, struct, x),)


def _vectors(a: Any) -> Any:
    return jnp.linalg.eigh(a + a.conj().T)[1]


_hermitian = normal(4, 4) + 1j * normal(4, 4, seed=2)

W = {
    "w1": normal(3, 4),
    "b1": np.zeros(4),
    "w2": normal(4, 3),
    "b2": np.zeros(3),
}
TREE = {"a": normal(2), "b": (normal(3), {"c": normal(1)}), "none": None}

RIGHT: dict[str, Case] = {
    "times five": Case(lambda x: 5 * x, (normal(10),)),
    "sum of a cube": Case(jnp.sum, (normal(2, 3, 4),)),
    "two inputs, three outputs": Case(
        lambda x, y: (x + y, 2 * x - y, 3 * y),
        (normal(3), normal(3)),
        options={"argnums": (0, 1)},
    ),
    "nested pytree": Case(
        lambda t: t["a"].sum() * t["b"][0].sum() + t["b"][1]["c"] ** 2, (TREE,)
    ),
    "outer product": Case(lambda x: jnp.outer(x, x), (normal(3),)),
    "constant": Case(lambda x: jnp.ones(()), (normal(3),)),
    "its argument": Case(lambda x: x, (normal(3),)),
    "the same array twice": Case(lambda z: (z, z.ravel()), (normal(2, 3),)),
    "gradient of a gradient": Case(jax.grad(lambda x: (x**2) ** 2), (2.0,)),
    "network": Case(_network, (W, normal(5, 3), np.array([0, 1, 2, 0, 1]))),
    "quadratic form": Case(lambda x: x @ normal(4, 4) @ x, (normal(4),)),
    "descent with select": Case(_descent, (normal(5),)),
    "repeated gather": Case(
        lambda w, i: jnp.sum(w[i]) ** 2, (normal(5, 3), np.array([1, 1, 2]))
    ),
    "zero size": Case(
        lambda x: jnp.sum(x @ jnp.ones((3, 0), x.dtype)) + jnp.sum(x),
        (np.zeros((0, 3)),),
        reason="empty",
    ),
    "no outputs": Case(lambda x: (), (normal(3),)),
    "special functions": Case(
        lambda x: (
            jax.scipy.special.gammaln(x)
            + lax.erf_inv(x / 10)
            + jax.scipy.special.i0(x)
            + jax.nn.sigmoid(x)
        ),
        (np.abs(normal(4)) + 0.5,),
    ),
    "wrapped five ways": Case(_wrapped, (normal(3),)),
    "rosenbrock": Case(
        lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
        (np.array([2.0, 3.0]),),
    ),
    "residual at its minimum": Case(
        lambda x: jnp.sum((jnp.exp(x) - jnp.exp(jnp.ones(3, x.dtype))) ** 2),
        (np.ones(3),),
    ),
    "first of two": Case(
        lambda pair: pair[0].sum(), ((normal(2), normal(3)),), reason="no-effect"
    ),
    "stopped": Case(
        lambda pair: jnp.sum(pair[0] * lax.stop_gradient(pair[0] * pair[1])),
        ((normal(3), normal(3, seed=2)),),
    ),
    "straight through, by stop_gradient": Case(
        lambda x: jnp.sum((x + lax.stop_gradient(jnp.round(x) - x)) ** 2), (normal(3),)
    ),
    "straight through, expected": Case(
        lambda x: jnp.sum(_round(x) ** 2), (normal(3),), options={"expected": "round*"}
    ),
    "complex to two": Case(
        lambda z: (z, jnp.real(z)), (normal(3) + 1j * normal(3, seed=2),)
    ),
    "squared modulus": Case(
        lambda z: jnp.abs(z) ** 2, (normal(3) + 1j * normal(3, seed=2),)
    ),
    "conjugate": Case(jnp.conj, (normal(3) + 1j * normal(3, seed=2),)),
    "eigenvalues": Case(
        lambda a: jnp.sum(jnp.linalg.eigvalsh(a + a.T) ** 2), (normal(4, 4),)
    ),
    "phases that do not matter": Case(
        lambda a: jnp.sum(jnp.abs(_vectors(a)) ** 4), (_hermitian,)
    ),
    "phases that matter": Case(
        lambda a: jnp.sum(jnp.real(_vectors(a)) ** 3), (_hermitian,), (OPEN,), "gauge"
    ),
    "linear solve": Case(
        lambda a, b: jnp.linalg.solve(a @ a.T + jnp.eye(4), b),
        (normal(4, 4), normal(4)),
        options={"argnums": (0, 1)},
    ),
    "integer and key leaves": Case(
        lambda p: jnp.sum(p["w"][p["i"]] * jax.random.normal(p["key"], (2,))),
        ({"w": normal(4), "i": np.array([0, 2]), "key": jax.random.key(0)},),
    ),
    "solver with a tolerance": Case(_newton, (3.0,), (PASS, OPEN), "iterates"),
    "rule around a callback": Case(
        lambda x: jnp.sum(with_rule(_on_host, lambda x, g: (g * jnp.cos(x),))(x)),
        (normal(3),),
        (PASS, OPEN),
    ),
    "backward on the host": Case(
        lambda x: jnp.sum(with_rule(_sine, _cosine_on_host)(3 * x)), (normal(50),)
    ),
    "gradient that was handed in": Case(
        lambda x: jnp.sum(x**3), (normal(3),), options={"gradient": lambda x: 3 * x**2}
    ),
    "library rules": Case(
        lambda x: (
            jax.nn.logsumexp(x) + jnp.sum(jax.nn.gelu(x) + jax.nn.silu(x) + jnp.sinc(x))
        ),
        (normal(5),),
    ),
}


def _rounded(x: Any) -> Any:
    return jnp.round(x)


_rounded.__name__ = "round_through"
_round = with_rule(_rounded, lambda x, g: (g,))
