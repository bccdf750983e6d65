"""Where digits are lost is named, and nothing where they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxdebug as jd
from jaxdebug.checks.report import ReportFailed
from tests.checks.json_schema import problems
from tests.checks.lossy_functions import BF16, F16, F32, LOSSES, W, X
from tests.slow import quick_cases

QUICK = ("cancellation",)
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/precision-1.json").read_text("utf-8")
)


def arguments(dtype: Any) -> tuple[jax.Array, jax.Array]:
    return jnp.asarray(W, dtype), jnp.asarray(X, dtype)


@pytest.mark.parametrize("name", quick_cases(LOSSES, QUICK))
def test_the_line_that_loses_the_digits_is_named(name: str) -> None:
    loss = LOSSES[name]
    report = jd.check_precision(loss.function)(*arguments(loss.dtype))
    (finding,) = report.findings
    assert finding.code == loss.code
    assert finding.evidence["primitive"] == loss.primitive
    assert str(finding.line).endswith(f"lossy_functions.py:{loss.line}")
    assert report.ok == (name != "overflow")
    assert report.causes[0].digits > 1


@pytest.mark.parametrize("name", quick_cases(LOSSES, ["cancellation"]))
def test_a_twin_that_loses_nothing_is_quiet(name: str) -> None:
    loss = LOSSES[name]
    report = jd.check_precision(loss.twin)(*arguments(loss.dtype))
    assert report.ok
    assert [finding for finding in report.findings if finding.severity != "info"] == []
    assert {result.reason for result in report.results} <= {"fine", "half-lost"}


def network(w: Any, x: Any) -> jax.Array:
    """A loop, remat, a custom rule and a layer norm, in the dtype of `x`."""

    def layer(h: Any, _: Any) -> tuple[Any, None]:
        with jax.named_scope("layer"):
            h = jax.nn.relu(h @ w)
            h = (h - h.mean(-1, keepdims=True)) / (h.std(-1, keepdims=True) + 0.1)
        return h, None

    with jax.named_scope("enter"):
        h = jnp.tanh(x @ w)
    h, _ = lax.scan(jax.checkpoint(layer), h, None, length=3)
    return jnp.mean(jax.nn.silu(h).astype(jnp.float32) ** 2)


@pytest.mark.parametrize("dtype", quick_cases([BF16, F16, F32], [], slice_of=2))
def test_a_healthy_network_is_quiet(dtype: Any) -> None:
    report = jd.check_precision(network)(*arguments(dtype))
    assert report.ok
    assert not report.findings
    assert problems(json.loads(report.to_json()), SCHEMA, SCHEMA) == []
    eps = float(jnp.finfo(dtype).eps)
    for result in report.results:
        assert 0 < result.error < 8 * eps
        assert result.explained == eps
    outputs = [layer for layer in report.layers if layer.kind == "output"]
    assert [output.name for output in outputs] == ["enter", "layer"]
    entered, looped = outputs
    assert entered.inherited == 0 < entered.error
    assert looped.inherited == pytest.approx(entered.error)


@pytest.mark.slow
def test_decisions_are_told_apart_from_rounding() -> None:
    """Near a tie bfloat16 chooses the other column: that is no rounding error."""

    def chosen(w: Any, x: Any) -> jax.Array:
        scores = (x @ w).astype(jnp.float32)
        return jnp.sum(scores[jnp.arange(16), jnp.argmax(scores, -1)] ** 2)

    w = np.repeat(W[:, :1], 4, 1) * (1 + 1e-4 * np.arange(4))
    same = jd.check_precision(chosen)(*arguments(F32))
    assert not same.flips
    w = jnp.asarray(w, F32)
    rounded = jd.check_precision(lambda w, x: chosen(w.astype(BF16), x.astype(BF16)))
    report = rounded(w, jnp.asarray(X, F32))
    (gradient,) = (result for result in report.results if result.kind == "gradient")
    assert "argmax" in {flip.primitive for flip in report.flips}
    assert gradient.error < 0.05 < gradient.flips
    assert "flipped-decisions" in {finding.code for finding in report.findings}


def test_an_overflow_fails_and_the_report_is_the_message(tmp_path: Path) -> None:
    def square(w: Any, x: Any) -> jax.Array:
        return jnp.sum((300 * (x @ w)) ** 2)

    report = jd.check_precision(square)(*arguments(F16))
    assert not report.ok
    with pytest.raises(ReportFailed, match="value-overflow"):
        report.raise_if_failed()
    saved = json.loads(report.save(tmp_path / "report.json").read_text("utf-8"))
    assert saved["schema"] == "jaxdebug.precision/1"
    assert saved["results"][0]["error"] == "Infinity"
    assert problems(saved, SCHEMA, SCHEMA) == []
    del saved["causes"][0]["line"]
    saved["results"][0]["kind"] = "other"
    assert len(problems(saved, SCHEMA, SCHEMA)) == 2
    assert "<" in report._repr_html_()


@pytest.mark.slow
def test_what_is_silenced_is_listed_and_does_not_count() -> None:
    loss = LOSSES["overflow"]
    known = f"value-overflow:{loss.function.__name__}"
    quiet = jd.check_precision(loss.function, silence=[known])(*arguments(F16))
    assert quiet.ok
    assert quiet.findings == ()
    (silent,) = quiet.silenced
    assert (silent.code, silent.severity) == ("value-overflow", "error")
    assert "Silenced" in quiet.text()
    saved = json.loads(quiet.to_json())
    assert saved["silenced"][0]["code"] == "value-overflow"
    assert problems(saved, SCHEMA, SCHEMA) == []
    other = jd.check_precision(loss.function, silence=["*:elsewhere"])(*arguments(F16))
    assert not other.ok
    assert other.findings == quiet.silenced
    with pytest.raises(ValueError, match="names no code"):
        jd.check_precision(loss.function, silence=["overflow"])


@pytest.mark.slow
def test_float64_has_nothing_to_be_compared_with() -> None:
    with jax.enable_x64(True):
        report = jd.check_precision(network)(jnp.asarray(W), jnp.asarray(X))
        one = jd.check_precision(lambda w: jnp.sum(w**2))(jnp.asarray(W))
    assert report.verdict.value == "pass"  # it casts to float32
    assert one.verdict.value == "inconclusive"
    one.raise_if_failed(allow_inconclusive=True)


def test_what_is_no_function_is_refused() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="check_precision expects a function"):
        jd.check_precision(wrong)
    with pytest.raises(ValueError, match="floating-point"):
        jd.check_precision(lambda n: n)(jnp.arange(3))
