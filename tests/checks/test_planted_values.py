"""Values that are not finite, and gradients cut off: found where they are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.audits.report import AuditReport
from jaxdebug.findings import Finding

W = {
    "first": np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32),
    "second": np.random.default_rng(1).standard_normal((4, 2)).astype(np.float32),
}
X = np.random.default_rng(2).standard_normal((5, 3)).astype(np.float32)


def codes(report: AuditReport) -> set[str]:
    return {finding.code for finding in report.findings}


def only(report: AuditReport, code: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.code == code]
    return finding


def model(params: Any, batch: Any) -> jax.Array:
    with jax.named_scope("encoder"):
        hidden = jnp.tanh(batch["x"] @ params["first"])
    with jax.named_scope("decoder"):
        scores = hidden @ params["second"]
    with jax.named_scope("attention"):
        scores = scores + batch["mask"]
        weights = jax.nn.softmax(scores, 0)
    return jnp.mean((weights * batch["scale"]) ** 2)


AUDITED = jd.audit(model)
"""Shared: one compilation for every batch of this shape."""


def batch(**changes: Any) -> dict[str, Any]:
    healthy = {"x": X, "mask": np.zeros((5, 2), np.float32), "scale": np.float32(1.5)}
    return {**healthy, **changes}


def test_the_clean_twin_passes() -> None:
    report = AUDITED(W, batch())
    assert report.ok
    assert report.findings == ()
    report.raise_if_failed()


def test_a_nan_in_the_batch_is_named_by_field_and_index() -> None:
    x = X.copy()
    x[3, 1] = np.nan
    report = AUDITED(W, batch(x=x))
    assert report.verdict.value == "fail"
    finding = only(report, "nonfinite-data")
    assert (finding.where, finding.severity) == ("argument 1, field x", "error")
    assert "1 of 15 values are NaN, the first at index [3, 1]" in finding.message


def test_an_infinite_mask_is_no_error() -> None:
    mask = np.zeros((5, 2), np.float32)
    mask[2:] = -np.inf
    report = AUDITED(W, batch(mask=mask))
    assert report.ok
    finding = only(report, "nonfinite-data")
    assert (finding.severity, finding.where) == ("info", "argument 1, field mask")
    assert codes(report) == {"nonfinite-data"}


def test_a_fully_masked_row_names_the_layer() -> None:
    report = AUDITED(W, batch(mask=np.full((5, 2), -np.inf, np.float32)))
    assert only(report, "nonfinite-loss").where == "attention"
    assert "test_planted_values.py:" in str(only(report, "nonfinite-loss").line)
    # The gradient of such a loss is no finding of its own.
    assert "nonfinite-gradient" not in codes(report)
    assert not report.ok


def test_a_scalar_field_that_is_nan() -> None:
    report = AUDITED(W, batch(scale=np.float32(np.nan)))
    finding = only(report, "nonfinite-data")
    assert finding.where == "argument 1, field scale"
    assert "1 of 1 values are NaN" in finding.message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite(bad: float) -> None:
    first = W["first"].copy()
    first[1, 2] = bad
    report = AUDITED({**W, "first": first}, batch())
    finding = only(report, "nonfinite-parameter")
    assert (finding.where, finding.severity) == ("first", "error")
    assert "the first at index [1, 2]" in finding.message
    assert not report.ok


@pytest.mark.slow
def test_a_stopped_gradient_is_lost_and_its_twin_is_not() -> None:
    def loss(params: Any, x: jax.Array) -> jax.Array:
        stopped = jax.lax.stop_gradient(params["stopped"])
        rounded = params["rounded"] + (jnp.round(params["cut"] * 1e9) - 3) / 1e9
        hidden = jnp.tanh(x @ stopped) + jnp.sin(x @ params["free"]) * rounded
        return jnp.mean((hidden + jax.lax.stop_gradient(x.sum())) ** 2)

    params = {"stopped": W["first"], "free": W["first"] + 1}
    params |= {"rounded": np.ones(4, np.float32), "cut": np.zeros(4, np.float32)}
    report = jd.audit(loss)(params, X)
    verdicts = {leaf.path: leaf.gradient.verdict.value for leaf in report.leaves}
    assert verdicts["stopped"] == "fail"
    assert verdicts["free"] == verdicts["rounded"] == "pass"
    finding = next(each for each in report.findings if each.where == "stopped")
    assert finding.code == "lost-gradient"
    assert "stop_gradient" in " ".join(finding.remedies)
    assert finding.line is not None
    assert finding.line.rsplit(":", 1)[0].endswith("test_planted_values.py")
    assert "it is cut off by stop_gradient at" in finding.message


@pytest.mark.slow
def test_a_gradient_that_is_stopped_in_part_or_on_purpose_passes() -> None:
    """A part that is held still leaves a gradient; a name in `expected` a wish."""

    def frozen(array: jax.Array) -> jax.Array:
        return jax.lax.stop_gradient(array)

    def loss(params: Any, x: jax.Array) -> jax.Array:
        part = jnp.tanh(x @ params["part"]) * jax.lax.stop_gradient(
            params["part"].sum()
        )
        return jnp.mean((part + x @ frozen(params["whole"])) ** 2)

    params = {"part": W["first"], "whole": W["first"] + 1}
    seen = {leaf.path: leaf.gradient for leaf in jd.audit(loss)(params, X).leaves}
    assert (seen["part"].verdict, seen["part"].reason) == ("pass", "stopped")
    assert (seen["whole"].verdict, seen["whole"].reason) == ("fail", "stopped")
    report = jd.audit(loss, expected="*frozen")(params, X)
    seen = {leaf.path: leaf.gradient for leaf in report.leaves}
    assert (seen["whole"].verdict, seen["whole"].way) == ("pass", "declared")
    assert report.findings == ()


@pytest.mark.slow
def test_one_stop_gradient_is_one_finding() -> None:
    """It cuts off all leaves of a module; the twin's leaves have their gradients."""

    def loss(cut: Any) -> Any:
        def apply(params: Any, x: jax.Array) -> jax.Array:
            encoder = params["encoder"]
            h = cut(jnp.tanh(x @ encoder["in"]["w"] + encoder["in"]["b"]))
            h = jnp.tanh(h @ params["head"]["w"] + params["head"]["b"])
            return jnp.mean((h - cut(jnp.sin(x) @ encoder["skip"])) ** 2)

        return apply

    layer = {"w": W["first"], "b": W["first"][0]}
    params = {"encoder": {"in": layer, "skip": W["first"] + 1}}
    params["head"] = {
        "w": np.eye(len(W["first"][0]), dtype=np.float32),
        "b": layer["b"],
    }
    report = jd.audit(loss(jax.lax.stop_gradient))(params, X)
    assert [f.code for f in report.findings] == ["lost-gradient"]
    (finding,) = report.findings
    names = ["encoder/in/b", "encoder/in/w", "encoder/skip"]
    assert (finding.where, finding.evidence["parameters"]) == ("encoder", names)
    assert ", ".join(names) in finding.message
    assert jd.audit(loss(lambda h: h))(params, X).findings == ()


def test_gradients_that_are_nan_although_the_loss_is_not() -> None:
    """Through a where, and through a root of zero; guarded twins pass."""

    def loss(params: Any, x: jax.Array) -> jax.Array:
        y = x @ params["where"] * 0
        guarded = x @ params["guarded"] * 0
        return (
            jnp.where(y > 0, jnp.sqrt(y), y + 1).mean()
            + jnp.where(guarded > 0, jnp.sqrt(jnp.where(guarded > 0, guarded, 1)), 2)
            .mean()
            + jnp.linalg.norm(params["norm"])
            + jnp.sqrt(jnp.sum(params["free"] ** 2) + 1e-6)
        )  # fmt: skip

    params = {
        "where": W["first"],
        "guarded": W["first"],
        "norm": np.zeros(3, np.float32),
        "free": np.full(3, 0.1, np.float32),
    }
    report = jd.audit(loss)(params, X)
    assert np.isfinite(report.loss)
    bad = {f.where for f in report.findings if f.code == "nonfinite-gradient"}
    assert bad == {"where", "norm"}
    assert {f.where for f in report.findings if f.severity == "error"} == bad


@pytest.mark.slow
def test_a_gradient_not_finite_only_in_the_models_precision() -> None:
    """float32 underflows inside a norm and float16 overflows; float64 does neither."""

    def loss(params: Any, x: jax.Array) -> jax.Array:
        small = jnp.sqrt(jnp.sum((params["small"] * 1e-25) ** 2)) * 1e20
        big = (params["big"].astype(jnp.float16) * 300).astype(jnp.float32) ** 2
        return small + big.mean() + jnp.tanh(x @ params["free"]).mean()

    params = {
        "small": np.ones(3, np.float32),
        "big": np.full(3, 0.5, np.float32),
        "free": np.ones((3, 2), np.float32),
    }
    report = jd.audit(loss)(params, X)
    assert np.isfinite(report.loss)
    finding = only(report, "nonfinite-gradient")
    assert finding.where == "small"
    assert "float64" in finding.message
    assert not report.ok


@pytest.mark.slow
def test_a_loss_that_overflows_only_in_the_models_precision() -> None:
    def loss(params: Any, x: jax.Array) -> jax.Array:
        with jax.named_scope("scale"):
            y = (x @ params).astype(jnp.float16) * 60000
        with jax.named_scope("mean"):
            return jnp.mean(y.astype(jnp.float32) ** 2) / 1e12

    report = jd.audit(loss)(W["first"], X)
    assert np.isinf(report.loss) | np.isnan(report.loss)
    assert np.isfinite(report.wide_loss)
    assert only(report, "nonfinite-loss").where == "scale"


@pytest.mark.parametrize(("dtype", "found"), [(jnp.bfloat16, 1), (jnp.float32, 0)])
def test_updates_that_bfloat16_loses_are_found(dtype: Any, found: int) -> None:
    def loss(w: Any, x: jax.Array) -> jax.Array:
        return ((x @ w) ** 2).mean()

    weights = jnp.linspace(0.5, 1.0, 3).astype(dtype)
    audited = jd.audit(loss, optimizer=optax.adam(1e-5))
    report = audited(weights, np.ones((4, 3), np.float32))
    lost = [one for one in report.findings if one.code == "lost-update"]
    assert len(lost) == found
