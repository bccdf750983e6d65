"""What a step was given is on the disk, and is run again from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.cli import main
from jaxdebug.training.errors import BundleError
from tests.checks.json_schema import problems

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs/schema/watch-1.json").read_text("utf-8")
)
FILE = """
import jax.numpy as jnp
import jaxdebug as jd
from {module} import STATE, step

workload = jd.Workload(
    loss_fn=lambda w, x: jnp.sum(w), params=STATE[0], train=[jnp.ones((2, 3))],
    train_step=step, state=STATE,
)
"""
STATE = jnp.zeros(3), jax.random.key(0)


@jax.jit
def step(state: Any, x: Any) -> Any:
    w, key = state
    loss, g = jax.value_and_grad(lambda w: jnp.sum(jnp.log(x @ w)))(w)
    return (w - 0.01 * g, jax.random.split(key)[0]), loss


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("runs") / "a"
    state, found = (jnp.ones(3), jax.random.key(3)), []
    with jd.watch(step, every=3, run_dir=folder, on_nonfinite=found.append) as watched:
        for i in range(7):
            sign = -1 if i == 4 else 1
            state, _ = watched(state, sign * np.ones((2, 3), np.float32))
    assert len(found) == 1
    return watched, folder


def test_a_bundle_is_replayed_with_its_own_values(watched: Any) -> None:
    (incident,) = watched[0].incidents
    report = jd.replay(incident.bundle, step)(STATE, np.zeros((2, 3), np.float32))
    assert report.reason == incident.report.reason
    assert "log of -" in report.reason


def test_a_bundle_of_other_arguments_is_refused(watched: Any) -> None:
    (incident,) = watched[0].incidents
    with pytest.raises(BundleError, match=r"expected float32\[2, 4\], found"):
        jd.replay(incident.bundle, step)(STATE, np.zeros((2, 4), np.float32))


def test_a_run_given_for_a_bundle_names_its_bundles(watched: Any) -> None:
    (incident,) = watched[0].incidents
    bundles = Path(incident.bundle).parent
    for near in (bundles, bundles.parent, bundles.parent / "run.sqlite"):
        with pytest.raises(BundleError, match=f"a bundle of.*{incident.bundle}"):
            jd.replay(near, step)


def test_the_command_replays_it(
    watched: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (incident,) = watched[0].incidents
    target = tmp_path / "target.py"
    target.write_text(FILE.format(module=__name__), encoding="utf-8")
    assert main(["replay", incident.bundle, str(target), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == incident.report.reason


def test_the_run_holds_the_finding(watched: Any) -> None:
    run = jd.load_run(watched[1])
    (finding,) = run.findings
    assert finding.code == "nonfinite-step"
    assert run.verdict == "fail"
    assert [*run.scalars["output[1]"].steps] == [*range(7)]
    assert {*run.samples[0].steps} == {0, 3, 6}
    assert run.manifest["every"] == 3


def test_the_report_follows_its_schema(watched: Any) -> None:
    report = watched[0].report()
    assert report.verdict == "fail"
    assert (report.steps, report.samples) == (7, 3)
    assert "nonfinite-step" in str(report)
    assert problems(json.loads(report.to_json()), SCHEMA, SCHEMA) == []
