"""What failed and the cause are named, of every program of the corpus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdebug as jd
from tests.checks.json_schema import problems
from tests.compilation import DEVICES
from tests.nonfinite.algebra import ALGEBRA
from tests.nonfinite.backward import BACKWARD
from tests.nonfinite.benign import BENIGN
from tests.nonfinite.case import Case
from tests.nonfinite.forward import FORWARD
from tests.nonfinite.loops import LOOPS
from tests.nonfinite.modules import MODULES
from tests.nonfinite.parallel import PARALLEL
from tests.nonfinite.updates import UPDATES
from tests.slow import quick_cases

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schema/nonfinite-1.json").read_text("utf-8"))
CORPUS: dict[str, Case] = {}
for part in (FORWARD, BACKWARD, LOOPS, UPDATES, ALGEBRA, MODULES, PARALLEL):
    assert not CORPUS.keys() & part.keys()
    CORPUS.update(part)

QUICK = (
    "softmax_by_hand",
    "root_in_the_branch_not_taken",
    "branch_in_a_loop",
    "log_on_each_device",
    "step_on_a_batch_with_a_nan",
)
QUICK_BENIGN = ("causal_attention", "log_overwritten_where_it_fails")


def mistakes(case: Case) -> list[str]:
    """What a report says otherwise than the case does."""
    report = jd.locate_nonfinite(case.function)(*case.args())
    failed, cause = report.failed, report.cause
    found = {
        "verdict": report.verdict.value,
        "kind": report.kind,
        "failed": "" if failed is None else failed.primitive,
        "cause": "" if cause is None else cause.primitive,
        "given": "" if report.given is None else report.given.name,
    }
    wanted = {
        "verdict": "fail",
        "kind": case.kind,
        "failed": case.primitive,
        "cause": case.cause,
        "given": case.given,
    }
    if failed is not None:
        found |= {
            "failed line": failed.line,
            "direction": failed.direction,
            "iteration": str(failed.iteration),
        }
        wanted |= {
            "failed line": case.lines.get("failed", ""),
            "direction": case.direction,
            "iteration": str(case.iteration),
        }
        if case.layer and not failed.layer.endswith(case.layer):
            found["layer"], wanted["layer"] = failed.layer, case.layer
        if case.direction == "backward" and not failed.forward_line:
            found["forward line"], wanted["forward line"] = "", "a line"
    if cause is not None:
        found |= {
            "cause line": cause.line,
            "cause direction": cause.direction,
            "cause iteration": str(cause.iteration),
        }
        wanted |= {
            "cause line": case.lines.get("cause", ""),
            "cause direction": case.cause_direction,
            "cause iteration": str(case.cause_iteration),
        }
    wrong = [
        f"{what}: {found[what]!r}, not {wanted[what]!r}"
        for what in wanted
        if found[what] not in wanted[what].split() and found[what] != wanted[what]
    ]
    if case.reason not in report.reason:
        wrong.append(f"reason: {report.reason!r} without {case.reason!r}")
    assert report.text()
    wrong += problems(json.loads(report.to_json()), SCHEMA, SCHEMA)
    return wrong


@pytest.mark.parametrize("name", quick_cases(CORPUS, QUICK))
def test_what_failed_and_the_cause_are_named(name: str) -> None:
    assert mistakes(CORPUS[name]) == []


@pytest.mark.parametrize("name", quick_cases(BENIGN, QUICK_BENIGN))
def test_what_harms_nobody_is_not_reported(name: str) -> None:
    function, args = BENIGN[name]
    report = jd.locate_nonfinite(function)(*args)
    assert report.ok
    assert (report.failed, report.cause, report.given) == (None, None, None)


AS_USERS = """
from tests.nonfinite.test_corpus import CORPUS, mistakes
wrong = {name: found for name in CORPUS if (found := mistakes(CORPUS[name]))}
assert not wrong, wrong
"""


@pytest.mark.slow
def test_they_are_named_as_users_compile() -> None:
    """XLA fuses for them, and rounds otherwise: here it does not."""
    env = {**os.environ, "XLA_FLAGS": DEVICES, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", AS_USERS],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert not done.returncode, done.stderr


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 60
    assert len(BENIGN) >= 20
