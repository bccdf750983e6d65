"""What each budget looks at, what it spends, and what it still finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from tests.checks.faulty_rules import factor
from tests.slow import quick_cases
from tests.verification.case import normal

LEAVES = 4
PARAMS = {f"w{k}": normal(3, 4).astype(np.float32) for k in range(LEAVES)}
X = normal(4).astype(np.float32)


def _solved(b: Any, spoilt: float) -> Any:
    """Its argument; JAX trusts the transpose, so that only differences can tell."""
    return lax.custom_linear_solve(
        lambda x: x, b, lambda _, b: b, lambda _, cotangent: spoilt * cotangent
    )


@jax.custom_vjp
def _same(x: Any) -> Any:
    """With it, no forward mode that would tell the wrong transpose."""
    return x


_same.defvjp(lambda x: (x, None), lambda _, g: (g,))


def _loss(spoilt: float) -> Callable[..., Any]:
    def loss(params: Any, x: Any) -> Any:
        total = jnp.zeros(())
        for name, w in params.items():
            w = _solved(w, spoilt) if name == "w3" else w
            total = total + jnp.sum(jnp.tanh(_same(w @ x)) ** 2)
        return total

    return loss


CERTIFIED = jd.check_gradients(_loss(1.0), budget="certificate")


@pytest.mark.slow
def test_a_certificate_takes_one_gradient_and_few_values() -> None:
    report = CERTIFIED(PARAMS, X)
    assert report.ok, str(report)
    assert {leaf.reason for leaf in report.leaves} == {"certified"}
    assert report.certificate.error < 1e-5
    assert report.cost["gradients"] == 2  # another one without the rule
    assert report.cost["values"] <= 20
    assert any("leaves alone" in part for part in report.unchecked)
    assert "right by the bound on the error of the whole gradient" in report.text()


@pytest.mark.slow
def test_a_certificate_refuses_a_wrong_gradient() -> None:
    report = jd.check_gradients(_loss(1.001), budget="certificate")(PARAMS, X)
    assert report.verdict == "fail"
    (finding,) = [f for f in report.findings if f.severity == "error"]
    assert (finding.code, finding.where) == ("wrong-gradient", "gradient")
    assert "budget='standard'" in finding.message
    assert report.certificate.error > 1e-5
    assert {leaf.reason for leaf in report.leaves} == {"not-looked-at"}


@pytest.mark.acceptance
def test_more_than_a_certificate_names_the_leaf() -> None:
    for budget in ("standard", "exhaustive", 400):
        report = jd.check_gradients(_loss(1.001), budget=budget)(PARAMS, X)
        verdicts = {leaf.path: leaf.verdict.value for leaf in report.leaves}
        assert verdicts.pop("w3") == "fail", budget
        assert set(verdicts.values()) == {"pass"}, budget


@pytest.mark.slow
def test_rules_and_coordinates_are_judged_with_every_budget() -> None:
    def loss(params: Any, x: Any) -> Any:
        return jnp.sum(factor(params["a"] @ x) ** 2) + jnp.sum(params["b"] @ x)

    params = {"a": PARAMS["w0"], "b": PARAMS["w1"]}
    report = jd.check_gradients(loss, budget="certificate")(params, X)
    assert report.verdict == "fail"
    (rule,) = report.rules
    assert (rule.name, rule.verdict.value) == ("factor", "fail")
    verdicts = {leaf.path: (leaf.verdict.value, leaf.witness) for leaf in report.leaves}
    assert verdicts["a"] == ("fail", "coordinates")


@pytest.mark.parametrize("spoilt", quick_cases([1.0, 1.01], [1.01]))
@pytest.mark.parametrize("most", quick_cases([19, 30, 200], [], slice_of=2))
def test_a_number_is_never_exceeded(most: int, spoilt: float) -> None:
    report = jd.check_gradients(_loss(spoilt), budget=most)(PARAMS, X)
    assert report.cost["values"] <= most
    assert report.verdict == ("pass" if spoilt == 1 else "fail") or (
        most < 100 and report.verdict == "inconclusive"
    )
    if spoilt == 1:
        assert report.ok


def test_a_network_on_its_kinks_is_certified_beside_them() -> None:
    """Zero biases before relu: the point itself has no slope along a direction."""
    params = {"w": normal(4, 8).astype("f"), "b": jnp.zeros(8), "x": jnp.zeros((5, 4))}

    def loss(p: Any) -> Any:
        hidden = jnp.maximum(p["x"] @ p["w"] + p["b"], 0)
        return jnp.sum(jnp.sin(hidden)) + jnp.sum(p["w"] ** 2)

    report = jd.check_gradients(loss, budget="certificate")(params)
    assert report.ok, str(report)
    assert report.cost["gradients"] == 2  # at the point, and near it


@pytest.mark.slow
def test_what_stop_gradient_holds_still_is_certified() -> None:
    def loss(w: Any) -> Any:
        return jnp.sum(lax.stop_gradient(jnp.sin(w)) * w)

    report = jd.check_gradients(loss, budget="certificate")(PARAMS["w0"])
    assert report.ok, str(report)
    assert report.certificate.error < 1e-5


@pytest.mark.parametrize("budget", ["cheap", 18, 19.0, True, None, -1])
def test_another_budget_is_refused(budget: Any) -> None:
    with pytest.raises(ValueError, match="expects budget to be 'certificate'"):
        jd.check_gradients(_loss(1.0), budget=budget)


@pytest.mark.slow
def test_it_certifies_half_precision_and_reports_its_rounding_apart() -> None:
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    report = jd.check_gradients(_loss(1.0), budget="certificate")(params, X)
    assert report.ok
    assert report.certificate.error < 1e-5
    assert max(leaf.precision for leaf in report.leaves) > 1e-4


@pytest.mark.parametrize(
    "budget", quick_cases(["certificate", "standard"], ["standard"])
)
def test_the_cost_is_stated_before_it_is_spent(
    budget: Any, caplog: pytest.LogCaptureFixture
) -> None:
    check = jd.check_gradients(lambda w: jnp.sum(jnp.sin(w)), budget=budget)
    with caplog.at_level("INFO", logger="jaxdebug"):
        report = check(X)
    cost = f"{report.cost['values']} values and {report.cost['gradients']} gradients"
    assert cost in caplog.text
