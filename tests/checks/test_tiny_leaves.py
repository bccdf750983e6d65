"""A wrong gradient of a leaf is found however small the leaf's own numbers are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.slow import quick_cases

RANDOM = np.random.default_rng(0)
W, V, X = (RANDOM.normal(size=s).astype(np.float32) for s in ((3, 4), (4,), (8, 3)))
SCALES = (0.0, 1e-8, 1e-6, 1e-4)
UNIT = RANDOM.normal(size=4).astype(np.float32)


def add(factor: float) -> Any:
    """Adds a bias; its rule gives the bias that many times its gradient."""

    @jax.custom_vjp
    def added(x: Any, b: Any) -> Any:
        return x + b

    added.defvjp(
        lambda x, b: (x + b, None), lambda _, g: (g, factor * jnp.sum(g, axis=0))
    )
    return added


@pytest.mark.parametrize("factor", quick_cases([1.0, 1.3, 0.0], []))
def test_a_tiny_bias_is_judged_as_any_other(factor: float) -> None:
    """Initialised with a deviation of 1e-6, as in many public models, or less."""
    added = add(factor)

    def loss(params: Any, x: Any) -> Any:
        total = jnp.zeros(())
        for name, bias in params["b"].items():
            hidden = jnp.tanh(added(x @ params["w"][name], bias))
            total = total + jnp.mean((hidden @ params["v"] - 1) ** 2)
        return total

    names = [f"{scale:.0e}" for scale in SCALES]
    params = {
        "w": dict.fromkeys(names, W),
        "v": V,
        "b": {n: s * UNIT for n, s in zip(names, SCALES, strict=True)},
    }
    report = jd.audit(loss)(params, X)
    verdicts = {leaf.path: leaf.gradient.reason for leaf in report.leaves}
    wanted = "agrees" if factor == 1.0 else "disagrees"
    for name in names:
        assert verdicts[f"b/{name}"] == wanted
        assert verdicts[f"w/{name}"] == "agrees"
