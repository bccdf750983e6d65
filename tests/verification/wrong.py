"""Rules and gradients that are wrong, each in its own way."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.verification.case import FAIL, OPEN, Case, normal, with_rule


def _flipped_mean(x: Any, g: Any) -> Any:
    right = 2 * x * g / x.size
    return (right.at[777].multiply(-1),)


def _permuted(x: Any, g: Any) -> Any:
    return ((2 * x * g)[::-1],)


def _pair(x: Any, g: Any) -> Any:
    right = 2 * x * g
    return (right.at[0].add(1e-3).at[1].add(-1e-3),)


def _zeroed_block(w: Any, g: Any) -> Any:
    return ((2 * w * g).at[:, 16:32].set(0),)


def _holomorphic_only(z: Any, g: Any) -> Any:
    return (g * jnp.conj(z),)


@jax.custom_jvp
def tangent_scaled(x: Any) -> Any:
    return jnp.sin(x)


@tangent_scaled.defjvp
def _tangent_scaled(primals: Any, tangents: Any) -> Any:
    return jnp.sin(primals[0]), 1.1 * jnp.cos(primals[0]) * tangents[0]


def _dropped_factor(x: Any) -> Any:
    factor = lax.stop_gradient(x) + 2

    @jax.custom_vjp
    def scaled(x: Any, c: Any) -> Any:
        return x * c

    scaled.defvjp(lambda x, c: (x * c, c), lambda c, g: (g, None))
    return jnp.sum(scaled(x, factor))


def _sum_of(rule: Any) -> Any:
    return lambda x: jnp.sum(rule(x))


def _sine(x: Any) -> Any:
    return jnp.sin(x)


def _scaled(error: float) -> Any:
    rule = with_rule(_sine, lambda x, g: (g * jnp.cos(x) * (1 + error),))
    return _sum_of(rule)


def _in_loop(x: Any) -> Any:
    wrong = with_rule(_sine, lambda x, g: (g * jnp.cos(x) * 1.01,))
    return lax.scan(lambda c, _: (wrong(c) + 0.1, None), x, None, length=200)[0]


def _scaled_on_host(x: Any, g: Any) -> Any:
    struct = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return (1.001 * g * jax.pure_callback(np.cos, struct, x),)


WRONG: dict[str, Case] = {
    "three for two": Case(
        with_rule(lambda x: 2 * x, lambda x, g: (3 * g,)), (normal(4),), (FAIL,)
    ),
    "tangent scaled": Case(tangent_scaled, (normal(4),), (FAIL,), "disagrees"),
    "value of the rule": Case(
        with_rule(
            _sine, lambda x, g: (g * jnp.cos(x),), lambda x: (1.01 * jnp.sin(x), x)
        ),
        (normal(4),),
        (FAIL,),
        "value-differs",
    ),
    "adds a constant": Case(
        with_rule(_sine, lambda x, g: (g * jnp.cos(x) + 1e-2,)),
        (normal(4),),
        (FAIL,),
        "not-linear",
    ),
    "ignores its cotangent": Case(
        with_rule(lambda x: jnp.sum(x**2), lambda x, g: (2 * x,)),
        (normal(4),),
        (FAIL,),
        "not-linear",
    ),
    "residual times three": Case(
        with_rule(lambda x: x**2, lambda x, g: (2 * x * g,), lambda x: (x**2, 3 * x)),
        (normal(4),),
        (FAIL,),
    ),
    "nan": Case(
        with_rule(_sine, lambda x, g: (g * jnp.nan,)),
        (normal(4),),
        (FAIL,),
        "not-finite",
    ),
    "sign, one element": Case(_scaled(-2.0), (normal(1),), (FAIL,)),
    "sign, a thousand": Case(_scaled(-2.0), (normal(1000),), (FAIL,)),
    "sign, a million": Case(_scaled(-2.0), (normal(1_000_000),), (FAIL,)),
    "zero": Case(
        _sum_of(with_rule(_sine, lambda x, g: (0 * g,))), (normal(5),), (FAIL,)
    ),
    "one flipped element of a mean": Case(
        with_rule(lambda x: jnp.mean(x**2), _flipped_mean), (normal(10_000),), (FAIL,)
    ),
    "a block of zeros": Case(
        _sum_of(with_rule(lambda w: w**2, _zeroed_block)), (normal(8, 64),), (FAIL,)
    ),
    "off by 1e-3": Case(_scaled(1e-3), (normal(100),), (FAIL,)),
    "off by 1e-4": Case(_scaled(1e-4), (normal(100),), (FAIL,)),
    "off by 1e-6": Case(_scaled(1e-6), (normal(100),), (FAIL,)),
    "a pair of opposite errors": Case(
        _sum_of(with_rule(lambda x: x**2, _pair)), (np.ones(100),), (FAIL,)
    ),
    "permuted": Case(
        _sum_of(with_rule(lambda x: x**2, _permuted)), (normal(100),), (FAIL,)
    ),
    "in a small leaf": Case(
        lambda p: 1e6 * jnp.sum(p["a"] ** 2) + _scaled(1e-2)(p["b"]),
        ({"a": normal(5), "b": normal(5)},),
        (FAIL,),
    ),
    "a dropped factor": Case(_dropped_factor, (normal(4),), (FAIL,)),
    "conjugation forgotten": Case(
        with_rule(_sine, lambda z, g: (g * jnp.conj(jnp.cos(z)),)),
        (normal(3) + 1j * normal(3, seed=2),),
        (FAIL,),
    ),
    "holomorphic only": Case(
        with_rule(lambda z: jnp.real(z * jnp.conj(z)), _holomorphic_only),
        (normal(3) + 1j * normal(3, seed=2),),
        (FAIL,),
    ),
    "in a long loop": Case(_in_loop, (normal(3),), (FAIL,)),
    "straight through": Case(
        lambda x: jnp.sum(with_rule(lambda x: jnp.round(x), lambda x, g: (g,))(x)),
        (normal(3),),
        (FAIL,),
    ),
    "clipped gradient": Case(
        lambda x: jnp.sum(
            with_rule(lambda x: x, lambda x, g: (jnp.clip(g, -0.1, 0.1),))(3 * x)
        ),
        (normal(3),),
        (FAIL,),
    ),
    "around a callback": Case(
        lambda x: jnp.sum(
            with_rule(
                lambda x: jax.pure_callback(
                    np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x
                ),
                lambda x, g: (1.1 * g * jnp.cos(x),),
            )(x)
        ),
        (normal(3),),
        (FAIL,),
    ),
    "scaled on the host": Case(
        lambda x: jnp.sum(with_rule(_sine, _scaled_on_host)(3 * x)),
        (normal(50),),
        (FAIL,),
        "disagrees",
    ),
    "zero where it is flat": Case(
        _sum_of(with_rule(lambda x: jnp.tanh(x), lambda x, g: (0 * g,))),
        (np.array([20.0]),),
        (FAIL, OPEN),
    ),
    "lost by a rounding": Case(
        lambda x: jnp.sum(jnp.round(x * 1e9) / 1e9 * lax.stop_gradient(x) + x),
        (normal(3),),
        ("pass", OPEN, FAIL),
    ),
    "handed in, one element wrong": Case(
        lambda x: jnp.sum(x**3),
        (normal(1000),),
        (FAIL,),
        options={"gradient": lambda x: (3 * x**2).at[7].multiply(1 + 1e-4)},
    ),
}
