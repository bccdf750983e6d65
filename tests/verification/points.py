"""Points where a function is not smooth, hardly so, or badly scaled."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.verification.case import FAIL, OPEN, PASS, Case, normal, with_rule

ZERO = np.zeros(1)


def _total(function: Any) -> Any:
    return lambda x: jnp.sum(function(x))


def _between(x: Any) -> Any:
    """NaN inside, one outside."""
    return jnp.where(jnp.abs(x) < 1, jnp.log(-jnp.abs(x) - 1), 1.0)


POINTS: dict[str, Case] = {
    "abs at 0": Case(_total(jnp.abs), (np.zeros(3),)),
    "relu at 0": Case(_total(jax.nn.relu), (np.array([0.0, 1.0]),)),
    "clip at both ends": Case(
        lambda x: jnp.sum(jnp.clip(x, -1, 1)), (np.array([1.0, -1.0, 0.5]),)
    ),
    "relu6": Case(_total(jax.nn.relu6), (np.array([0.0, 6.0, 3.0]),)),
    "larger of two": Case(
        lambda x: jnp.maximum(jnp.sin(x), jnp.cos(x)), (np.array(np.pi / 4),)
    ),
    "hard swish": Case(_total(jax.nn.hard_swish), (np.array([-3.0, 3.0]),)),
    "abs with 1.5 at 0": Case(
        _total(
            with_rule(
                lambda x: jnp.abs(x),
                lambda x, g: (jnp.where(x == 0, 1.5, jnp.sign(x)) * g,),
            )
        ),
        (np.array([0.0, 1.0]),),
        (FAIL,),
        "unlawful-at-kink",
    ),
    "relu with -0.2 at 0": Case(
        _total(
            with_rule(
                lambda x: jax.nn.relu(x),
                lambda x, g: (jnp.where(x == 0, -0.2, (x > 0) * 1.0) * g,),
            )
        ),
        (np.array([0.0, 1.0]),),
        (FAIL,),
        "unlawful-at-kink",
    ),
    "abs near 0": Case(_total(jnp.abs), (np.array([1e-5, 8e-4, -8e-4]),)),
    "relu nearer 0": Case(_total(jax.nn.relu), (np.array([-1e-7, 1e-7]),)),
    "floor at a jump": Case(_total(jnp.floor), (np.ones(1),), (OPEN,)),
    "step at its jump": Case(
        _total(lambda x: jnp.where(x > 0, 1.0, 0.0) + x), (ZERO,), (OPEN,)
    ),
    "floor off the jump": Case(_total(jnp.floor), (np.array([1.0008, 1.5]),)),
    "cusp": Case(_total(lambda x: jnp.sqrt(jnp.abs(x))), (ZERO,), (OPEN, FAIL)),
    "power of 1.5": Case(_total(lambda x: jnp.abs(x) ** 1.5), (ZERO,)),
    "x times abs x": Case(_total(lambda x: x * jnp.abs(x)), (ZERO,)),
    "huber at its transition": Case(
        _total(lambda x: jnp.where(jnp.abs(x) <= 1, x**2 / 2, jnp.abs(x) - 0.5)),
        (np.array([1.0, -1.0]),),
    ),
    "identity of two relus": Case(
        _total(lambda x: jax.nn.relu(x) - jax.nn.relu(-x)), (ZERO,), (FAIL,)
    ),
    "tie of three": Case(jnp.max, (np.array([1.0, 1.0, 1.0, 0.0]),)),
    "tie of four": Case(jnp.min, (np.array([[1.0, 1.0], [1.0, 1.0]]),)),
    "root at 0": Case(_total(jnp.sqrt), (ZERO,), (FAIL, OPEN)),
    "log at 0": Case(_total(jnp.log), (ZERO,), (FAIL,)),
    "norm at 0": Case(jnp.linalg.norm, (np.zeros(3),), (FAIL,)),
    "log below 0": Case(_total(jnp.log), (np.array([-10.0]),), (FAIL,)),
    "root below 0": Case(_total(jnp.sqrt), (np.array([-1.0]),), (FAIL,)),
    "nan inside, at the edge": Case(_total(_between), (np.ones(1),), (OPEN,)),
    "nan inside, at both edges": Case(
        _total(_between), (np.array([1.0, -1.0]),), (OPEN, FAIL)
    ),
    "nan inside": Case(_total(_between), (ZERO,), (FAIL,)),
    "edge of a domain": Case(
        _total(lambda x: jnp.where(x >= 0, x**2 + x, jnp.nan)), (ZERO,), (PASS, OPEN)
    ),
    "where trap": Case(
        _total(lambda x: jnp.where(x == 0, 1.0, jnp.sin(x) / x)), (ZERO,), (FAIL,)
    ),
    "near a pole": Case(_total(jnp.tan), (np.array([np.pi / 2 - 8e-4]),)),
    "log near 0": Case(_total(jnp.log), (np.array([1e-3]),)),
    "inverse near 0": Case(_total(lambda x: 1 / x), (np.array([1e-4]),)),
    "weak kink": Case(
        _total(lambda x: jnp.sin(x) + 1e-4 * jnp.abs(x - 1)), (np.ones(1),)
    ),
    "rounded": Case(_total(lambda x: 2 * jnp.round(x)), (normal(3),)),
    "largest index": Case(lambda x: x[jnp.argmax(x)] ** 2, (normal(5),)),
    "tiny argument": Case(_total(lambda x: jnp.sin(1e6 * x)), (1e-6 * normal(3),)),
    "huge argument": Case(_total(lambda x: jnp.sin(1e-6 * x)), (1e6 * normal(3),)),
    "tiny output": Case(_total(lambda x: 1e-8 * jnp.sin(x)), (normal(3),)),
    "huge output": Case(_total(lambda x: 1e8 * jnp.sin(x)), (normal(3),)),
    "offset": Case(_total(lambda x: 1e8 + jnp.sin(x)), (normal(1),), (PASS, OPEN)),
    "sum of many squares": Case(_total(lambda x: x**2), (normal(100_000),)),
    "saturated": Case(
        _total(lambda x: jnp.tanh(x) + jax.nn.sigmoid(-2 * x) + lax.erf(x / 2)),
        (np.array([20.0]),),
    ),
    "flat arctangent": Case(_total(jnp.arctan), (np.array([1000.0]),)),
    "cube at its point of rest": Case(_total(lambda x: (x - 1) ** 3), (np.ones(1),)),
    "narrow bump": Case(
        _total(lambda x: jnp.exp(-((x / 1e-3) ** 2))), (np.array([5e-4]),)
    ),
    "many periods away": Case(_total(jnp.sin), (np.array([1000.0]),)),
    "bfloat16 inside": Case(
        lambda x, w: jnp.sum(
            (x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(jnp.float32) ** 2
        ),
        (normal(4, 3), normal(3, 2)),
        options={"argnums": (0, 1)},
    ),
    "mixed precisions": Case(
        lambda p: jnp.sum(p["w"].astype(jnp.bfloat16) * p["s"]) ** 2 + p["b"],
        ({"w": normal(4), "s": normal(4), "b": np.array(0.5)},),
    ),
    "root of a dead relu": Case(
        _total(lambda x: jnp.sqrt(jax.nn.relu(x))), (np.array([-10.0]),), (FAIL, OPEN)
    ),
}
