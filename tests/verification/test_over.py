"""One check for each of many examples: the same verdicts as one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.checks.json_schema import problems
from tests.slow import quick_cases
from tests.verification.case import normal

SCHEMAS = Path(__file__).parents[2] / "docs/schema"
W = {"w": normal(3, 2).astype(np.float32), "b": np.zeros(2, np.float32)}
X = normal(7, 3).astype(np.float32)
BAD = (2, 5)
X[list(BAD)] += 10


@jax.custom_vjp
def _clipped(x: Any) -> Any:
    """Right for the small, wrong for the large."""
    return jnp.sin(x)


_clipped.defvjp(
    lambda x: (jnp.sin(x), x),
    lambda x, g: (g * jnp.cos(x) * jnp.where(jnp.abs(x).max() > 5, 1.5, 1.0),),
)


def _loss(params: Any, x: Any, scale: Any = 1.0) -> Any:
    assert x.shape[0] == 1
    assert x.ndim == 2
    return jnp.sum(_clipped(x @ params["w"] + params["b"]) * scale)


OVER = jd.check_gradients(_loss, over="examples")


@pytest.fixture(scope="module")
def found() -> jd.GradientReports:
    return OVER(W, X)


@pytest.mark.slow
def test_the_examples_with_a_wrong_gradient_are_named(
    found: jd.GradientReports,
) -> None:
    assert found.verdict == "fail"
    assert found.having("fail") == BAD
    assert found.having("pass") == (0, 1, 3, 4, 6)
    (finding,) = [f for f in found.findings if f.severity == "error"]
    assert (finding.code, finding.where) == ("wrong-rule", "_clipped")
    assert "in 2 of 7 examples (2, 5)" in finding.message
    assert finding.evidence["examples"] == [*BAD]


@pytest.mark.slow
def test_it_says_the_same_as_one_by_one(found: jd.GradientReports) -> None:
    check = jd.check_gradients(_loss)
    for index, report in enumerate(found.reports):
        alone = check(W, X[index : index + 1])
        assert report.verdict == alone.verdict, index
        pairs = zip(report.leaves, alone.leaves, strict=True)
        for one, other in pairs:
            assert (one.path, one.verdict, one.reason) == (
                other.path,
                other.verdict,
                other.reason,
            )
        rules = [(r.name, r.verdict, r.rule) for r in report.rules]
        assert rules == [(r.name, r.verdict, r.rule) for r in alone.rules]
        assert report.unchecked == alone.unchecked
        assert report.certificate.error == pytest.approx(
            alone.certificate.error, rel=0.5, abs=1e-7
        )


def test_its_report_is_text_and_json(found: jd.GradientReports) -> None:
    text = found.text(width=100)
    assert "over 7 examples" in text
    assert "2 fail, 5 pass" in text
    record = json.loads(found.to_json())
    whole, each = (
        json.loads((SCHEMAS / f"{name}-1.json").read_text("utf-8"))
        for name in ("gradients-over", "gradients")
    )
    assert problems(record, whole, whole) == []
    assert len(record["reports"]) == 7
    for report in record["reports"]:
        assert problems(report, each, each) == []


@pytest.mark.slow
def test_batches_lose_their_axis_and_scalars_are_shared() -> None:
    def loss(params: Any, batch: Any, key: Any, scale: Any) -> Any:
        assert batch["x"].shape == (2, 3)
        noise = jax.random.normal(key, (2, 2))
        return jnp.sum(jnp.tanh(batch["x"] @ params["w"] + noise) * scale)

    check = jd.check_gradients(loss, over="batches")
    batches = {"x": normal(4, 2, 3).astype(np.float32)}
    report = check(W, batches, jax.random.key(0), scale=2.0)
    assert report.ok, str(report)
    assert len(report.reports) == 4


@pytest.mark.slow
def test_chunks_of_what_memory_allows_say_the_same(found: jd.GradientReports) -> None:
    few = jd.check_gradients(_loss, over="examples", memory=2000)(W, X)
    one = jd.check_gradients(_loss, over="examples", memory=1)(W, X)
    for other in (few, one):
        assert [r.verdict for r in other.reports] == [r.verdict for r in found.reports]


@pytest.mark.slow
def test_an_interrupted_check_goes_on(
    found: jd.GradientReports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the file is not checked again, and comes back as it was."""
    path = tmp_path / "sub" / "reports.jsonl"
    check = jd.check_gradients(_loss, over="examples", resume=path)
    whole = check(W, X)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    assert len(lines) == 1 + len(X)
    # As a crash leaves it: some are missing, and one is cut off.
    path.write_text("".join(lines[:6]) + lines[6][:40], "utf-8")
    again = check(W, X)
    kept = [[report.to_json() for report in each.reports] for each in (again, whole)]
    assert kept[0][:5] == kept[1][:5]
    assert [r.verdict for r in again.reports] == [r.verdict for r in found.reports]
    assert len(path.read_text("utf-8").splitlines()) == 1 + len(X)

    def unneeded(*_: Any, **__: Any) -> Any:
        raise AssertionError("checked again")

    monkeypatch.setattr("jaxdebug.checks.gradients.check_gradients.in_turn", unneeded)
    assert [report.to_json() for report in check(W, X).reports] == kept[0]


@pytest.mark.parametrize(
    "damage", quick_cases(["\n", "{}\n", '{"index": 0, "report": {}}\n'], ["{}\n"])
)
def test_a_damaged_line_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    check = jd.check_gradients(_loss, over="examples", resume=path)
    check(W, X[:1])
    with path.open("a", encoding="utf-8") as file:
        file.write(damage)
    with pytest.raises(ValueError, match="another thing in line 3"):
        check(W, X[:1])
    # Cut off as it was begun: there is nothing to lose.
    path.write_text(path.read_text("utf-8")[:20], "utf-8")
    check(W, X[:1])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="Give another path"):
        check(W, X[:1])


@pytest.mark.slow
def test_a_file_of_another_check_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text("my notes\n", "utf-8")
    check = jd.check_gradients(_loss, over="examples", resume=path)
    with pytest.raises(ValueError, match="Give another path"):
        check(W, X)
    assert path.read_text("utf-8") == "my notes\n"
    path.unlink()
    check(W, X[:1])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="with other arguments"):
        check(W, X[1:2])
    with pytest.raises(ValueError, match="with other seed"):
        jd.check_gradients(_loss, over="examples", resume=path, seed=1)(W, X[:1])

    def mended(params: Any, x: Any) -> Any:
        return jnp.sum(jnp.sin(x @ params["w"] + params["b"]))

    mended.__name__ = "_loss"
    with pytest.raises(ValueError, match="with other program"):
        jd.check_gradients(mended, over="examples", resume=path)(W, X[:1])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "scale",
    [
        np.ones(3, np.float32),
        pytest.param(jnp.ones(3), marks=pytest.mark.slow),
    ],
)
def test_a_file_is_of_what_a_jitted_function_closes_over(
    tmp_path: Path, scale: Any
) -> None:
    """The constants of an inner program are not in its text."""
    path = tmp_path / "reports.jsonl"

    def check(scale: Any) -> jd.GradientReports:
        loss = jax.jit(lambda params, x: jnp.sum(jnp.sin((x * scale) @ params)))
        return jd.check_gradients(loss, over="examples", resume=path)(W["w"], X[:1])

    first = check(scale)
    assert check(scale).reports == first.reports
    with pytest.raises(ValueError, match="with other program"):
        check(2 * scale)


@pytest.mark.slow
def test_what_has_no_rule_for_many_is_checked_one_by_one() -> None:
    def host(x: Any) -> Any:
        return np.asarray(np.sin(x))

    @jax.custom_jvp
    def called(x: Any) -> Any:
        return jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    called.defjvp(lambda x, t: (called(x[0]), jnp.cos(x[0]) * t[0]))

    def loss(params: Any, x: Any) -> Any:
        return jnp.sum(called(x @ params["w"]))

    report = jd.check_gradients(loss, over="examples")(W, X[:2])
    alone = [jd.check_gradients(loss)(W, X[i : i + 1]) for i in range(2)]
    assert [r.verdict for r in report.reports] == [r.verdict for r in alone]


@pytest.mark.slow
def test_a_certificate_of_each_example() -> None:
    """On their kinks some have to be looked at nearby, and only those."""
    inputs = X.copy()
    inputs[3] = 0
    check = jd.check_gradients(
        lambda p, x: jnp.sum(jnp.maximum(x @ p["w"] + p["b"], 0)),
        over="examples",
        budget="certificate",
    )
    report = check(W, inputs)
    assert report.ok, str(report)
    gradients = [each.cost["gradients"] for each in report.reports]
    assert gradients[3] == 2 * gradients[0]


@pytest.mark.parametrize(
    ("settings", "args", "message"),
    [
        ({"over": "rows"}, (W, X), "expects over to be None, 'examples' or 'batches'"),
        ({"over": "examples", "order": 2}, (W, X), "expects order=1"),
        ({"over": "examples", "gradient": W}, (W, X), "gradient to be a function"),
        ({"over": "examples", "memory": 0}, (W, X), "a number of bytes; found 0"),
        ({"resume": "x"}, (W, X), "expects resume only where over is given"),
        ({"memory": 10}, (W, X), "expects memory only where over is given"),
        ({"over": "examples"}, (W, X[:0]), "leading lengths 0 at 1"),
        ({"over": "examples"}, (W, {"x": X, "y": X[:3]}), "7 at 1/x, 3 at 1/y"),
        ({"over": "batches"}, (W, 1.0), "found leading lengths of none"),
    ],
)
def test_wrong_use_is_told(settings: Any, args: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jd.check_gradients(_loss, **settings)(*args)
