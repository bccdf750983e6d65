"""The check-up as a whole: order, choice, errors, interruption, the command line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

import jaxdebug as jd
from jaxdebug.cli import main
from jaxdebug.preflight.all_checks import NAMES
from jaxdebug.reports import Verdict
from tests.checks.json_schema import problems
from tests.checks.small_workloads import classifier, loss_fn

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/checks-1.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def report() -> jd.OutcomeReport:
    return jd.checkup(classifier())


@pytest.mark.slow
def test_a_healthy_training_fails_nothing(report: jd.OutcomeReport) -> None:
    assert report.verdict is Verdict.PASS, report.text()
    names = (one.name.partition("/")[0] for one in report.outcomes)
    assert tuple(dict.fromkeys(names)) == NAMES
    missing = {one.name for one in report.outcomes if one.verdict is None}
    assert {name for name in missing if "/" not in name} == {
        "evaluation-agrees",
        "evaluation-averages",
        "evaluation-mode",
        "padding",
        "shapes",
        "step-agrees",
        "time-leakage",
        "train-step",
        "visible-targets",
    }
    assert not problems_of(report)


def problems_of(report: jd.OutcomeReport) -> list[Any]:
    return [*problems(json.loads(report.to_json()), SCHEMA, SCHEMA)]


@pytest.mark.slow
def test_what_is_missing_is_said_and_the_rest_goes_on() -> None:
    report = jd.checkup(classifier(optimizer=None), skip=["gradients-and-layers"])
    assert report["loss-falls"].said == "could not run: give `optimizer`"
    assert report["repeats"].verdict is Verdict.PASS


def test_a_function_that_raises_stops_no_other_check() -> None:
    def broken(params: Any, batch: Any) -> jax.Array:
        raise ValueError("no such layer")

    workload = classifier(predict_fn=broken)
    report = jd.checkup(workload, only=["initial-loss", "repeats"])
    said = report["initial-loss"].said
    assert said.startswith("could not run: ValueError: no such layer at ")
    assert "test_checkup.py" in said
    assert report["repeats"].verdict is Verdict.PASS


def test_a_training_that_diverges_warns_of_nothing_in_numpy() -> None:
    fast = classifier(
        optimizer=optax.chain(optax.add_decayed_weights(1e3), optax.sgd(1e25))
    )
    names = ["weight-decay", "loss-falls", "step-size"]
    report = jd.checkup(fast, only=names)
    assert not any("RuntimeWarning" in one.said for one in report.outcomes)
    assert report.verdict is Verdict.FAIL


def test_what_is_interrupted_gives_the_report_so_far() -> None:
    started: list[str] = []

    def progress(line: str) -> None:
        started.append(line)
        if line.endswith("reduction"):
            raise KeyboardInterrupt

    only = ["repeats", "reduction", "loss-falls"]
    report = jd.checkup(classifier(), only=only, progress=progress)
    assert [one.name for one in report.outcomes] == ["repeats"]
    assert report.said == ("Interrupted; not run: reduction, loss-falls.",)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "Interrupted" in report.text()
    assert started == ["calls of the model: repeats", "the loss: reduction"]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"expects a jaxdebug\.Workload; found function"
    ):
        jd.checkup(loss_fn)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'lernt'\. There are calls, data"):
        jd.checkup(classifier(), only=["lernt"])
    with pytest.raises(TypeError, match=r"Write skip=\['calls'\]"):
        jd.checkup(classifier(), skip="reduction")
    with pytest.raises(ValueError, match="names no code"):
        jd.checkup(classifier(), silence=["nothing"])


FILE = """
from tests.checks.small_workloads import classifier, deaf
workload = classifier()
wrong = deaf()
"""


@pytest.mark.parametrize(
    ("name", "more", "status"),
    [("workload", [], 0), ("wrong", [], 1), ("wrong", ["--fail-on=never"], 0)],
)
def test_the_command_is_a_gate(
    tmp_path: Path, capsys: Any, name: str, more: list[str], status: int
) -> None:
    file = tmp_path / "train.py"
    file.write_text(FILE)
    asked = ["--only=overfit-one-batch", "--only=repeats", "--json", *more]
    assert main(["checkup", f"{file}:{name}", *asked]) == status
    shown = capsys.readouterr()
    assert json.loads(shown.out)["check"] == "checkup"
    assert "short trainings: overfit-one-batch" in shown.err


def test_the_command_refuses_checks_that_do_not_exist(
    tmp_path: Path, capsys: Any
) -> None:
    assert main(["checkup", str(tmp_path / "none.py"), "--skip=all"]) == 2
    assert "found 'all'. There are calls, data" in capsys.readouterr().err


def stepping(wrong: bool, jit: Any = jax.jit) -> jd.Workload:
    optimizer = optax.adam(3e-2)

    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state = state
        loss, gradients = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        if not wrong:
            params = optax.apply_updates(params, updates)
        return (params, opt_state), {"loss": loss}

    params = jax.tree.map(jnp.asarray, classifier().params)
    state = (params, optimizer.init(params))
    return classifier(train_step=jit(train_step), state=state)


@pytest.mark.slow
@pytest.mark.parametrize("jit", [jax.jit, partial(jax.jit, donate_argnums=0)])
def test_a_train_step_that_applies_nothing_is_found(jit: Any) -> None:
    only = ["train-step"]
    healthy = stepping(False, jit)
    assert jd.checkup(healthy, only=only).verdict is Verdict.PASS
    # Its state is as it was, also where the step donates it.
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(healthy.state))
    (finding,) = jd.checkup(stepping(True), only=only).findings
    assert finding.code == "unchanged-parameter"


def test_a_train_step_that_raises_is_found_with_its_line() -> None:
    def train_step(state: Any, batch: Any) -> Any:
        raise ValueError("no params")

    workload = classifier(train_step=train_step, state=1.0)
    (finding,) = jd.checkup(workload, only=["train-step"]).findings
    assert finding.code == "step-raises"
    assert "ValueError: no params" in finding.message
    assert "test_checkup.py" in (finding.line or "")
