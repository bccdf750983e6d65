"""Derivative rules with one mistake each, and right ones beside them."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tests.testing.mutant import (
    DENSE,
    SCALE,
    W,
    mutant,
    right,
    with_rule,
    with_vjp,
)

# Rules of functions of one array.


@right()
def swish(x: Any) -> Any:
    s = jax.nn.sigmoid
    return with_rule(
        lambda x: x * s(x), lambda x, dx: dx * s(x) * (1 + x * (1 - s(x)))
    )(x)


@mutant("gradients")
def rule_sign(x: Any) -> Any:
    return with_rule(jnp.sin, lambda x, dx: -jnp.cos(x) * dx)(x)


@mutant("gradients")
def rule_factor(x: Any) -> Any:
    return with_rule(jnp.square, lambda x, dx: x * dx)(x)


@mutant("gradients")
def rule_factor_of_one_percent(x: Any) -> Any:
    return with_rule(jnp.sin, lambda x, dx: 1.01 * jnp.cos(x) * dx)(x)


@mutant("gradients")
def rule_missing_term(x: Any) -> Any:
    s = jax.nn.sigmoid
    return with_rule(lambda x: x * s(x), lambda x, dx: dx * s(x))(x)


@mutant("gradients")
def rule_of_another_function(x: Any) -> Any:
    return with_rule(jnp.tanh, lambda x, dx: dx * jax.nn.sigmoid(x))(x)


@mutant("gradients")
def rule_wrong_on_one_side(x: Any) -> Any:
    slope = lambda x: jnp.where(x > 0, 1.0, 0.1)  # noqa: E731
    return with_rule(
        lambda x: jnp.where(x > 0, x, 0.2 * x), lambda x, dx: slope(x) * dx
    )(x)


@mutant("gradients")
def rule_zero_where_it_saturates(x: Any) -> Any:
    return with_rule(
        jnp.tanh,
        lambda x, dx: jnp.where(jnp.abs(x) > 1, 0.0, 1 - jnp.tanh(x) ** 2) * dx,
    )(x)


@mutant("gradients")
def second_order_wrong(x: Any) -> Any:
    frozen = jax.lax.stop_gradient
    return with_rule(jnp.sin, lambda x, dx: frozen(jnp.cos(x)) * dx)(x)


@mutant("gradients")
def second_order_of_a_vjp(x: Any) -> Any:
    frozen = jax.lax.stop_gradient
    return with_vjp(jnp.exp, lambda res, ct: (frozen(jnp.exp(res[0])) * ct,))(x)


@mutant("gradients")
def softmax_rule_without_the_sum(x: Any) -> Any:
    p = partial(jax.nn.softmax, axis=-1)
    return with_vjp(p, lambda res, ct: (p(res[0]) * ct,))(x)


@mutant("gradients")
def softmax_rule_over_the_wrong_axis(x: Any) -> Any:
    def backward(res: Any, ct: Any) -> Any:
        p = jax.nn.softmax(res[0], -1)
        return (p * (ct - jnp.sum(p * ct, 0, keepdims=True)),)

    return with_vjp(partial(jax.nn.softmax, axis=-1), backward)(x)


@mutant("gradients")
def blocked(x: Any) -> Any:
    return x + with_vjp(jnp.sin, lambda res, ct: (jnp.zeros_like(ct),))(x)


@mutant("gradients")
def where_rule_swapped(x: Any) -> Any:
    return with_vjp(
        lambda x: jnp.maximum(x, -x), lambda res, ct: (-jnp.sign(res[0]) * ct,)
    )(x)


@mutant("gradients")
def second_order_of_another_sign(x: Any) -> Any:
    slope = with_rule(jnp.cos, lambda x, dx: jnp.sin(x) * dx)
    return with_rule(jnp.sin, lambda x, dx: slope(x) * dx)(x)


@mutant("gradients")
def second_order_of_twice_the_size(x: Any) -> Any:
    slope = with_rule(jax.nn.sigmoid, lambda x, dx: 2 * _slope(x) * dx)
    return with_rule(jax.nn.softplus, lambda x, dx: slope(x) * dx)(x)


def _slope(x: Any) -> Any:
    return jax.nn.sigmoid(x) * (1 - jax.nn.sigmoid(x))


@right()
def softplus(x: Any) -> Any:
    slope = with_rule(jax.nn.sigmoid, lambda x, dx: _slope(x) * dx)
    return with_rule(jax.nn.softplus, lambda x, dx: slope(x) * dx)(x)


@mutant("gradients")
def cumulative_rule_not_transposed(x: Any) -> Any:
    run = partial(jnp.cumsum, axis=-1)
    return with_vjp(run, lambda res, ct: (run(ct),))(x)


@right()
def cumulative(x: Any) -> Any:
    run = partial(jnp.cumsum, axis=-1)
    back = lambda ct: run(ct[..., ::-1])[..., ::-1]  # noqa: E731
    return with_vjp(run, lambda res, ct: (back(ct),))(x)


# Rules of dense layers.


def _dense(backward: Any) -> Any:
    return with_vjp(lambda w, x: x @ w, backward)


@right(DENSE)
def dense(p: Any, x: Any) -> Any:
    rule = _dense(lambda res, ct: (res[1].T @ ct, ct @ res[0].T))
    return rule(p["w"], x) + p["b"]


SQUARE = {"w": W[:, :3].repeat(2, 1)[:, :4]}


@mutant("gradients", SQUARE)
def dense_rule_not_transposed(p: Any, x: Any) -> Any:
    return _dense(lambda res, ct: (res[1].T @ ct, ct @ res[0]))(p["w"], x)


@mutant("gradients", DENSE)
def dense_rule_divides_by_the_batch(p: Any, x: Any) -> Any:
    rule = _dense(lambda res, ct: (res[1].T @ ct / len(ct), ct @ res[0].T))
    return rule(p["w"], x) + p["b"]


@mutant("gradients", DENSE)
def dense_rule_forgets_the_input(p: Any, x: Any) -> Any:
    rule = _dense(lambda res, ct: (res[1].T @ ct, jnp.zeros_like(res[1])))
    return rule(p["w"], x) + p["b"]


@mutant("gradients", DENSE)
def dense_rule_of_the_first_row(p: Any, x: Any) -> Any:
    rule = _dense(lambda res, ct: (res[1][:1].T @ ct[:1], ct @ res[0].T))
    return rule(p["w"], x) + p["b"]


@mutant("gradients", DENSE)
def bias_rule_is_a_mean(p: Any, x: Any) -> Any:
    add = with_vjp(lambda y, b: y + b, lambda res, ct: (ct, ct.mean(0)))
    return add(x @ p["w"], p["b"])


@mutant("gradients", DENSE)
def dense_rule_of_another_sign(p: Any, x: Any) -> Any:
    rule = _dense(lambda res, ct: (-res[1].T @ ct, ct @ res[0].T))
    return rule(p["w"], x) + p["b"]


@mutant("gradients", DENSE)
def bias_rule_over_the_wrong_axis(p: Any, x: Any) -> Any:
    def backward(res: Any, ct: Any) -> Any:
        return ct, jnp.broadcast_to(ct.sum(), res[1].shape)

    return with_vjp(lambda y, b: y + b, backward)(x @ p["w"], p["b"])


# Rules of normalisation.


def _normalised(x: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-3)


@right(SCALE)
def layer_norm(p: Any, x: Any) -> Any:
    return _normalised(x) * p["scale"]


@mutant("gradients", SCALE)
def norm_rule_without_the_mean(p: Any, x: Any) -> Any:
    def backward(res: Any, ct: Any) -> Any:
        (x,) = res
        r = 1 / jnp.sqrt(x.var(-1, keepdims=True) + 1e-3)
        y = _normalised(x)
        return (r * (ct - y * (ct * y).mean(-1, keepdims=True)),)

    return with_vjp(_normalised, backward)(x) * p["scale"]


@mutant("gradients", SCALE)
def norm_rule_without_the_variance(p: Any, x: Any) -> Any:
    def backward(res: Any, ct: Any) -> Any:
        r = 1 / jnp.sqrt(res[0].var(-1, keepdims=True) + 1e-3)
        return (r * (ct - ct.mean(-1, keepdims=True)),)

    return with_vjp(_normalised, backward)(x) * p["scale"]
