"""`check_gradients` as it is used: modules, settings, wrong input, its report."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdebug as jd
from jaxdebug.checks.report import ReportFailed
from tests.checks.faulty_rules import factor
from tests.checks.json_schema import problems
from tests.slow import quick_cases
from tests.verification.case import with_rule

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/gradients-1.json").read_text("utf-8")
)
X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)


def _loss(params: Any, x: Any) -> Any:
    return jnp.mean((x @ params["w"] + 1) ** 2)


@pytest.fixture(scope="module")
def failed() -> jd.GradientReport:
    def loss(params: Any, x: Any) -> Any:
        right = jnp.mean((x @ params["right"]) ** 2)
        return right + jnp.mean((factor(x @ params["[red]w/../x"]) + 1) ** 2)

    params = {"right": jnp.asarray(W), "[red]w/../x": jnp.asarray(W)}
    return jd.check_gradients(loss)(params, X)


def test_the_wrong_rule_is_named_with_its_definition(failed: jd.GradientReport) -> None:
    assert failed.verdict == "fail"
    (finding,) = failed.findings
    _, start = inspect.getsourcelines(factor)
    place, line = str(finding.line).rsplit(":", 1)
    assert (finding.code, finding.where) == ("wrong-rule", "factor")
    assert place.endswith("faulty_rules.py")
    assert start < int(line) < start + 15  # the bwd function, below the function
    verdicts = {leaf.path: leaf.verdict.value for leaf in failed.leaves}
    assert verdicts == {"right": "pass", "[red]w/../x": "fail"}
    (rule,) = failed.rules
    assert rule.error == pytest.approx(0.01, rel=1e-2)
    assert rule.calls[0].split(":")[0] == __file__


def test_its_report_is_text_json_and_a_file(
    failed: jd.GradientReport, tmp_path: Any
) -> None:
    text = failed.text(width=100)
    assert "wrong-rule" in text
    assert "[red]w/../x" in text
    assert max(map(len, text.splitlines())) <= 100
    read = json.loads(failed.to_json())
    assert problems(read, SCHEMA, SCHEMA) == []
    assert read.keys() == SCHEMA["properties"].keys()
    assert read["verdict"] == "fail"
    assert {leaf["path"] for leaf in read["leaves"]} == {"right", "[red]w/../x"}
    assert failed.save(tmp_path / "gradients.json").read_text() == failed.to_json()
    assert "<pre>" in failed._repr_html_()
    with pytest.raises(ReportFailed, match="wrong-rule"):
        failed.raise_if_failed()


@pytest.mark.slow
def test_modules_are_taken_where_parameters_stand() -> None:
    def nnx_loss(model: Any, x: Any) -> Any:
        return jnp.mean(model(x) ** 2)

    linear = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    report = jd.check_gradients(nnx_loss)(linear, X)
    assert report.ok
    assert {leaf.path for leaf in report.leaves} == {"kernel", "bias"}

    def eqx_loss(model: Any, x: Any) -> Any:
        return jnp.mean(jax.vmap(model)(x) ** 2)

    mlp = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    report = jd.check_gradients(eqx_loss)(mlp, X)
    assert report.ok
    assert "layers/0/weight" in {leaf.path for leaf in report.leaves}


@pytest.mark.slow
def test_the_users_settings_do_not_matter_and_stay() -> None:
    with (
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.transfer_guard("disallow"),
        jax.debug_nans(True),
    ):
        args = jax.device_put(({"w": W}, X))
        report = jd.check_gradients(
            lambda p, x: jnp.mean(jnp.square(jax.nn.relu(x @ p["w"])))
        )(*args)
        assert jax.config.jax_numpy_dtype_promotion == "strict"
    assert report.ok, str(report)


@pytest.mark.slow
def test_nothing_is_left_behind_and_nothing_is_random() -> None:
    """The same gradient before and after, and the same report twice."""
    params = {"w": jnp.asarray(W)}
    before = jax.grad(_loss)(params, X)
    check = jd.check_gradients(_loss)
    first, second = check(params, X), check(params, X)
    np.testing.assert_array_equal(before["w"], jax.grad(_loss)(params, X)["w"])
    assert first.leaves == second.leaves
    assert first.certificate == second.certificate
    assert first.leaves != jd.check_gradients(_loss, seed=1)(params, X).leaves


@pytest.mark.slow
def test_outputs_of_any_form_and_several_arguments() -> None:
    def function(w: Any, x: Any, n: Any) -> Any:
        return {"y": x @ w, "n": n + 1, "z": (jnp.sum(w), x[0])}

    report = jd.check_gradients(function, argnums=(0, 1))(W, X, np.int32(3))
    assert report.ok
    assert [leaf.path for leaf in report.leaves] == ["0", "1"]


def test_an_exception_of_the_users_passes_through() -> None:
    def loss(params: Any, x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jd.check_gradients(loss)({"w": W}, X)


@pytest.mark.slow
@pytest.mark.parametrize("transposed", quick_cases(["right", "wrong"], ["wrong"]))
def test_a_transpose_that_somebody_wrote_is_held_against_forward_mode(
    transposed: str,
) -> None:
    factor = 1.0 if transposed == "right" else 1.5
    matrix = jnp.asarray(W[:2] @ W[:2].T + np.eye(2))

    def loss(w: Any) -> Any:
        solved = jax.lax.custom_linear_solve(
            lambda x: matrix @ x,
            w,
            lambda _, b: jnp.linalg.solve(matrix, b),
            lambda _, b: factor * jnp.linalg.solve(matrix.T, b),
        )
        return jnp.sum(jnp.sin(solved))

    report = jd.check_gradients(loss)(W[0])
    codes = {finding.code for finding in report.findings}
    assert report.ok == (transposed == "right"), str(report)
    assert ("modes-disagree" in codes) == (transposed == "wrong")


def test_what_float64_decides_otherwise_is_no_rounding() -> None:
    """In bfloat16 two columns tie, and the other one is chosen."""
    x = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    w = np.repeat(x[:4, :1], 4, 1) * (1 + 1e-4 * np.arange(4, dtype=np.float32))

    def chosen(w: Any, x: Any) -> jax.Array:
        w, x = w.astype(jnp.bfloat16), x.astype(jnp.bfloat16)
        scores = (x @ w).astype(jnp.float32)
        return jnp.sum(scores[jnp.arange(16), jnp.argmax(scores, -1)] ** 2)

    report = jd.check_gradients(chosen)(w, x)
    (leaf,) = report.leaves
    assert leaf.precision < 0.05 < 0.1 < leaf.flips
    assert [finding.code for finding in report.findings] == ["flipped-decisions"]


@pytest.mark.slow
def test_a_rule_is_traced_under_the_settings_of_its_function() -> None:
    """With 64 bits this one would give float64 for its float32 function."""

    @jax.custom_jvp
    def centred(x: Any) -> Any:
        return x - jnp.sum(x) / jnp.count_nonzero(x)

    @centred.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return centred(x), t - jnp.sum(t) / jnp.count_nonzero(x)

    def stopped(x: Any) -> Any:
        return centred(x) ** 2 * jax.lax.stop_gradient(jnp.sum(x))

    x = jnp.asarray([1.0, 2.0, 4.0], jnp.float32)
    assert jd.check_gradients(centred)(x).ok
    assert jd.check_gradients(stopped)(x).leaves[0].reason == "stopped"
    assert jd.check_precision(centred)(x).ok


@pytest.mark.slow
def test_a_call_that_did_not_run_hides_none_that_did() -> None:
    rule = with_rule(jnp.sin, lambda x, g: (g * jnp.cos(x),))

    def branch(x: Any) -> Any:
        return jax.lax.cond(x[0] > 10, rule, jnp.cos, x)

    x = jnp.asarray([1.0, 2.0], jnp.float32)
    assert jd.check_gradients(branch)(x).rules[0].reason == "not-reached"
    both = jd.check_gradients(lambda x: branch(x) + rule(x))(x)
    assert both.verdict == "pass"
    assert both.rules[0].reason == "agrees"


@pytest.mark.slow
def test_constants_made_for_a_dtype_are_no_wrong_rule() -> None:
    """The sine of a series that is cut off where float32 sees no more."""

    def factor_off(by: float) -> Any:
        def series(x: Any) -> Any:
            terms = 4 if x.dtype == jnp.float32 else 12
            signs = [(-1) ** k / math.factorial(2 * k + 1) for k in range(terms)]
            return sum(sign * x ** (2 * k + 1) for k, sign in enumerate(signs))

        return with_rule(series, lambda x, g: (g * jnp.cos(x) * (1 + by),))

    x = jnp.asarray([0.6, 0.7], jnp.float32)
    right = jd.check_gradients(factor_off(0.0))(x)
    assert right.ok, str(right)
    assert right.findings == ()
    (rule,), (leaf,) = right.rules, right.leaves
    assert rule.reason == leaf.reason == "rounded"
    assert 1e-7 < rule.error < 1e-5
    wrong = jd.check_gradients(factor_off(2e-6))(x)
    assert [found.code for found in wrong.findings] == ["wrong-rule"]
    audited = jd.audit(lambda x: jnp.sum(factor_off(0.0)(x)))(x)
    assert audited.verdict == "pass", str(audited)
