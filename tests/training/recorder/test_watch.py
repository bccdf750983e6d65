"""A watched step computes what it computes alone, and what made NaN is named."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest

import jaxdebug as jd
from tests.slow import quick_cases
from tests.training.recorder.steps import STEPS
from tests.training.recorder.trained import batches, same_bits


def _watched(**settings: Any) -> Any:
    found: list[jd.Incident] = []
    return found, partial(jd.watch, on_nonfinite=found.append, **settings)


@pytest.mark.parametrize("name", quick_cases(STEPS, ["donated"]))
def test_parameters_are_the_same_bit_by_bit(name: str) -> None:
    found, wrap = _watched(every=3)
    watched, same = same_bits(STEPS[name], wrap, 10)
    assert same
    history = watched.step.history
    assert [step for step, _ in history.samples] == [0, 3, 6, 9]
    assert [step for step, _ in history.numbers] == [*range(10)]
    assert not found
    assert not history.events


@pytest.mark.acceptance
@pytest.mark.parametrize("name", STEPS)
def test_parameters_are_the_same_after_a_long_training(name: str) -> None:
    found, wrap = _watched(every=50)
    watched, same = same_bits(STEPS[name], wrap, 500)
    assert same
    assert [step for step, _ in watched.step.history.samples] == [*range(0, 500, 50)]
    assert not found


@pytest.mark.parametrize("name", quick_cases(STEPS, ["plain"]))
def test_what_overflows_is_named_by_an_exact_replay(name: str) -> None:
    found, wrap = _watched(every=4)
    trained = STEPS[name](wrap, batches(9, bad=6))
    trained.step.close()
    (incident,) = found
    assert (incident.step, incident.started, incident.exact) == (6, 4, True)
    assert incident.report is not None
    made = incident.report.cause
    assert made is not None
    assert (made.primitive, made.direction) == ("square", "forward")
    # The loss squares it first, except where a layer does.
    here = "recorder/steps.py" if name == "NNX" else "recorder/trained.py"
    assert made.line.rsplit(":", 1)[0].endswith(here)
    assert incident.finding.code == "nonfinite-step"


def test_it_has_the_signature_and_the_name_of_the_step() -> None:
    def step(state: Any, batch: Any, *, rate: float = 0.1) -> Any:
        return state, batch, rate

    watched = jd.watch(step)
    assert inspect.signature(watched) == inspect.signature(step)
    assert watched.__name__ == "step"
