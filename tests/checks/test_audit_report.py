"""The report as text and JSON: complete, strict, literal, and frozen."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.audits.report import AuditReport
from jaxdebug.checks.report import ReportFailed
from jaxdebug.gradients.certificate import Certificate
from jaxdebug.reports import Verdict
from tests.checks.faulty_rules import factor
from tests.checks.json_schema import problems

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/audit-1.json").read_text("utf-8")
)
X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
HOSTILE = (
    *("kernel[/]", "<script>alert(1)</script>", "../../x", "\x1b[31mred", "a\nPASS  b"),
    *("k" * 10_000, "", "   ", "%s {0}", "a\udc80b", "a\u202eb", "[bold]w[/bold]"),
)


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def loss(params: Any, x: jax.Array) -> jax.Array:
    """Two healthy leaves, one complex, one wrong, one lost; a layer in a scan."""

    def cell(carry: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        with jax.named_scope("cell"):
            carry = jnp.tanh(carry + row)
        return carry, carry

    with jax.named_scope("dense"):
        y = factor(x @ params["wrong"]) + x @ params["w"]
    with jax.named_scope("waves"):
        z = y * params["z"]
    carry, _ = jax.lax.scan(cell, jnp.zeros(2), jnp.abs(z))
    return jnp.mean(carry**2) * jax.lax.stop_gradient(params["lost"])


PARAMS = {
    "wrong": np.full((3, 2), 0.3, np.float32),
    "w": np.arange(6, dtype=np.float32).reshape(3, 2) / 7,
    "z": np.array([1 + 1j, 0.5], np.complex64),
    "lost": np.float32(2),
}
AUDITED = jd.audit(loss, optimizer=optax.sgd(0.1))


@pytest.fixture(scope="module", params=["faulty", "not finite"])
def report(request: pytest.FixtureRequest) -> AuditReport:
    x = X.copy()
    if request.param == "not finite":
        x[1, 2], x[2, 0] = np.nan, np.inf
    return AUDITED(PARAMS, x)


@pytest.mark.parametrize("width", [40, 120])
def test_text_fits_its_width_and_names_everything(
    report: AuditReport, width: int
) -> None:
    text = report.text(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.startswith("FAIL  audit of loss")
    for name in ("wrong", "lost", "dense", "cell", "seed 0"):
        assert name in text
    for finding in report.findings:
        assert finding.code in text
    assert "\x1b" not in text
    assert str(report)
    assert report._repr_html_().startswith("<pre>FAIL")


def test_json_is_strict_and_follows_its_schema(report: AuditReport) -> None:
    payload = strict(report.to_json())
    assert problems(payload, SCHEMA, SCHEMA) == []
    assert payload.keys() == SCHEMA["properties"].keys()
    assert [leaf["path"] for leaf in payload["leaves"]] == ["lost", "w", "wrong", "z"]
    assert all(leaf["update"] for leaf in payload["leaves"])
    assert payload["verdict"] == "fail"


def test_the_schema_refuses_what_is_not_a_report(report: AuditReport) -> None:
    payload = strict(report.to_json())
    payload["verdict"] = "fine"
    payload["leaves"][0]["extra"] = 1
    payload["layers"][0]["rms"] = "0.1"
    del payload["seed"]
    payload["findings"][0]["severity"] = None
    assert len(problems(payload, SCHEMA, SCHEMA)) == 5


def test_the_worst_comes_first(report: AuditReport) -> None:
    order = ["error", "warning", "info"]
    ranks = [order.index(finding.severity) for finding in report.findings]
    assert ranks == sorted(ranks)


def test_it_is_saved_as_text_and_json(report: AuditReport, tmp_path: Path) -> None:
    text = report.save(tmp_path / "report.txt").read_text("utf-8")
    assert text.rstrip("\n") == report.text(width=100).rstrip("\n")
    assert strict(report.save(tmp_path / "report.json").read_text()) == strict(
        report.to_json()
    )
    with pytest.raises(ValueError, match=r"\.html"):
        report.save(tmp_path / "report.html")


def test_raise_if_failed_raises_with_the_text(report: AuditReport) -> None:
    for allow in (False, True):
        with pytest.raises(ReportFailed, match="wrong") as info:
            report.raise_if_failed(allow_inconclusive=allow)
        assert report.text(width=100) in str(info.value)
    healthy = jd.audit(lambda w: jnp.sum(w**2))(np.ones(2))
    healthy.raise_if_failed()
    assert healthy.ok


def test_it_is_frozen(report: AuditReport) -> None:
    for part in (report, report.leaves[0], report.layers[0], report.findings[0]):
        field = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, None)
    assert report.named("other").name == "other"
    assert report.name == "loss"


@pytest.fixture(scope="module")
def hostile_report() -> AuditReport:
    """Every hostile name is a parameter, a scope, a field and a finding."""

    def loss(params: Any, batch: Any) -> jax.Array:
        total = jnp.float32(0)
        for name, leaf in params.items():
            # JAX itself compiles no scope with a lone surrogate.
            scope = name.replace("\udc80", "") or "empty"
            with jax.named_scope(scope):
                total = total + jnp.sin(leaf).sum() * batch[name]
        return total

    params = {name: np.ones(2, np.float32) for name in HOSTILE}
    batch = {name: np.float32("nan") for name in HOSTILE}
    return jd.audit(loss)(params, batch)


@pytest.mark.parametrize("width", [40, 120])
def test_hostile_names_are_drawn_literally(
    hostile_report: AuditReport, width: int
) -> None:
    text = hostile_report.text(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert not set(text) & {"\x1b", "\u202e", "\udc80"}
    assert "\nPASS" not in text
    if width == 120:
        for name in ("kernel[/]", "<script>", "../../x", "[bold]w[/bold]", "%s {0}"):
            assert name in text
    text.encode("utf-8")


def test_hostile_names_survive_json_and_html(
    hostile_report: AuditReport, tmp_path: Path
) -> None:
    payload = strict(hostile_report.to_json())
    assert problems(payload, SCHEMA, SCHEMA) == []
    paths = {leaf["path"] for leaf in payload["leaves"]}
    assert {name or "(params)" for name in HOSTILE} == paths
    assert "<script>" not in hostile_report._repr_html_()
    assert hostile_report.save(tmp_path / "a.txt").exists()
    assert hostile_report.save(tmp_path / "a.json").exists()


def test_hostile_names_of_the_audited_function() -> None:
    for name in HOSTILE:
        report = AuditReport(
            name=name,
            verdict=Verdict.PASS,
            findings=(),
            loss=1.0,
            wide_loss=1.0,
            leaves=(),
            rules=(),
            certificate=Certificate(0.0, 0.999, 4),
            layers=(),
            unseen=("x\x1b[0m",),
            unidentified=("\ny",),
            seed=0,
            cost={"values": 2, "gradients": 1, "seconds": 0.1},
        )
        assert "\x1b" not in report.text(width=60)
        assert strict(report.to_json())["name"] == name
