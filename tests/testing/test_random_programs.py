"""Verdicts on programs drawn at random follow what NumPy knows of their gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import jaxdebug as jd
from benchmarks.random_check import Check
from benchmarks.random_journal import Entry, append, read
from benchmarks.random_programs import (
    cheap_compilation,
    checks_of,
    family,
    rows_of,
    run_checks,
    said,
)
from jaxdebug.testing import SmallProgram, programs, random_program
from jaxdebug.testing.programs.expected import Expected, expected
from tests.slow import quick_cases
from tests.testing.kept_programs import KEPT

OPEN = 0.05
"""Part of the verdicts that may be inconclusive."""


def checked(program: SmallProgram, order: int = 1) -> Check:
    with cheap_compilation():
        report = jd.check_gradients(program.function(), order=order)(
            program.arguments()
        )
    known = expected(program, order=order)
    return Check(repr(program), "", 0, order, known, report.verdict.value, ())


def assert_right(checks: list[Check]) -> None:
    wrong = [str(check) for check in checks if check.wrong]
    assert not wrong
    open_ = [str(check) for check in checks if check.verdict == "inconclusive"]
    assert len(open_) <= OPEN * len(checks), open_
    assert {check.known for check in checks} == {Expected.RIGHT, Expected.WRONG}


@pytest.mark.slow
def test_three_programs_compiled_once() -> None:
    found = family(seed=2, number=4, order=1, longest=2)
    with cheap_compilation():
        checks = list(checks_of(found._replace(mistakes=found.mistakes[:3]), order=1))
    assert_right(checks)
    assert len({check.program for check in checks}) == 3


@pytest.mark.slow
def test_fifty_programs() -> None:
    assert_right(list(run_checks(50, seed=3)))


@pytest.mark.acceptance
@given(programs())
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink is left to those who look into a failure
    suppress_health_check=list(HealthCheck),
)
def test_programs_of_the_strategy_each_compiled_alone(program: SmallProgram) -> None:
    check = checked(program)
    assert not check.wrong, str(check)
    jax.clear_caches()


@pytest.mark.parametrize("name", quick_cases(KEPT, []))
def test_what_was_found_is_kept(name: str) -> None:
    kept = KEPT[name]
    with cheap_compilation():
        check = jd.check_gradients(kept.program.function(), order=kept.order)
        verdict, reasons = said(check, kept.program.arguments(kept.point))
    assert (verdict, reasons) == (kept.verdict, kept.reasons)


def handed_in(program: SmallProgram, change: str = "") -> dict[str, Any]:
    """NumPy's gradient of a scalar program, right or changed, in the inputs' dtypes."""
    found: dict[str, Any] = {}
    inputs, jacobian = program.arguments(), program.known().jacobian
    for name, rows in jacobian.items():
        array = rows.reshape(inputs[name].shape)
        if change == "sign":
            array = -array
        if change == "element":
            array = array + (np.abs(array) == np.abs(array).max()) * array
        found[name] = jnp.asarray(array, inputs[name].dtype)
    return found


def _scalar(number: int) -> SmallProgram:
    """A scalar function of floats, away from kinks, whose gradient is not zero."""
    attempt = 0
    while True:
        drawn = random_program(
            [number, attempt, 77], mistake=False, dtypes=["float32"], longest=3
        )
        drawn = replace(drawn, scalar=True)
        known = drawn.known()
        sizes = [np.abs(rows) for rows in known.jacobian.values()]
        floats = len(sizes) == len(drawn.inputs)
        told = all(size.size > 1 and size.max() > 0.1 for size in sizes)
        uneven = all(size.max() > 1.5 * size.min() for size in sizes)
        if known.clear > 0.1 and told and uneven and floats:
            return drawn
        attempt += 1


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_a_gradient_that_is_handed_in_is_judged_by_what_is_true(number: int) -> None:
    program = _scalar(number)
    for change, verdict in (("", "pass"), ("sign", "fail"), ("element", "fail")):
        given = handed_in(program, change)
        with cheap_compilation():
            check = jd.check_gradients(program.function(), gradient=given)
            report = check(program.arguments())
        assert report.verdict.value == verdict, f"{program!r} {change}"


def test_a_wrong_verdict_is_counted_and_shown() -> None:
    program = repr(SmallProgram((), (), ()))
    for known, verdict in ((Expected.RIGHT, "fail"), (Expected.WRONG, "pass")):
        check = Check(program, "", 0, 1, known, verdict, ("reason",))
        first, *_ = rows_of([check], 1.0)
        assert first.held is False
        assert "SmallProgram" in first.note
    for known in Expected:
        lawful = Check(program, "", 0, 1, known, "inconclusive", ())
        assert not lawful.wrong
        assert lawful._replace(verdict="raised").wrong


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    made = Check("program", "sign", 1, 2, Expected.WRONG, "fail", ("disagrees",))
    append(path, 5, 0, Entry(3, [made]))
    with path.open("a") as file:
        file.write('\n{"seed": 5, "numb')  # it broke off here
    append(path, 5, 1, Entry(2, [made, made]))
    append(path, 6, 2, Entry(1, [made]))
    assert read(path, 5) == {0: Entry(3, [made]), 1: Entry(2, [made, made])}
    assert list(run_checks(5, 5, path)) == [made] * 3  # nothing is checked again
    assert read(tmp_path / "none", 5) == {}
