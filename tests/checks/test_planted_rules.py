"""A wrong derivative rule is found in every leaf behind it, and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.checks.faulty_rules import RULES
from tests.slow import quick_cases

RANDOM = np.random.default_rng(0)
PARAMS = {
    name: {"w": RANDOM.standard_normal((3, 2)).astype(np.float32), "b": np.zeros(2)}
    for name in RULES
}
X = RANDOM.standard_normal((5, 3)).astype(np.float32)

Layer = Callable[[Any, jax.Array, Any], jax.Array]


def plain(p: Any, x: jax.Array, rule: Any) -> jax.Array:
    return rule(x @ p["w"] + p["b"])


def in_bfloat16(p: Any, x: jax.Array, rule: Any) -> jax.Array:
    w, b = p["w"].astype(jnp.bfloat16), p["b"].astype(jnp.bfloat16)
    return rule(x.astype(jnp.bfloat16) @ w + b).astype(jnp.float32)


def in_scan(p: Any, x: jax.Array, rule: Any) -> jax.Array:
    def body(total: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = rule(row @ p["w"] + p["b"])
        return total + y, y

    return lax.scan(body, jnp.zeros(2), x)[1]


def in_jit_and_remat(p: Any, x: jax.Array, rule: Any) -> jax.Array:
    return jax.jit(jax.checkpoint(lambda x, w, b: rule(x @ w + b)))(x, p["w"], p["b"])


@pytest.mark.parametrize(
    "layer",
    quick_cases([plain, in_bfloat16, in_scan, in_jit_and_remat], [], slice_of=2),
)
def test_each_wrong_rule_is_named_and_the_right_one_is_not(layer: Layer) -> None:
    def loss(params: Any, x: jax.Array) -> jax.Array:
        outputs = [layer(params[name], x, rule) for name, rule in RULES.items()]
        return sum(jnp.mean((y + 1) ** 2) for y in outputs)  # type: ignore[arg-type]

    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), PARAMS)
    report = jd.audit(loss)(params, X)
    assert not report.ok
    verdicts = {leaf.path: leaf.gradient.verdict.value for leaf in report.leaves}
    assert verdicts == {
        f"{name}/{leaf}": "pass" if name == "right" else "fail"
        for name in RULES
        for leaf in "bw"
    }
    found = {finding.where: finding for finding in report.findings}
    assert found.keys() == RULES.keys() - {"right"}
    assert len(found) == len(report.findings)
    for name, finding in found.items():
        assert (finding.code, finding.severity) == ("wrong-rule", "error")
        rule: Any = RULES[name]
        code = getattr(rule, "bwd", getattr(rule, "jvp", None)).__code__
        assert finding.line == f"{code.co_filename}:{code.co_firstlineno}"
        assert f"{name}/w" in finding.message
        others = {other for other in RULES if other != name}
        assert not any(f"{other}/" in finding.message for other in others)
