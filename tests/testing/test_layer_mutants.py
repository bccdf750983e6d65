"""A layer with a mistake breaks the property that it should; right ones none."""

from __future__ import annotations

import pytest

from jaxdebug.reports import Verdict
from tests.slow import quick_cases
from tests.testing import layer_mutants, module_mutants, rule_mutants
from tests.testing.mutant import MUTANTS, RIGHT, report_on

# Importing them registers them.
LISTS = layer_mutants, module_mutants, rule_mutants

SEEDS = range(5)
"""All but the first with the acceptance tests."""


@pytest.mark.parametrize("name", quick_cases(MUTANTS, ["scaled_by_the_largest"]))
def test_a_mistake_is_caught_by_its_property(name: str) -> None:
    mutant = MUTANTS[name]
    report = report_on(mutant)
    failed = [one for one in report.properties if one.verdict is Verdict.FAIL]
    assert mutant.breaks in [one.name for one in failed], str(report)
    for one in failed:
        assert one.reproduce
        assert one.inputs


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", SEEDS[1:])
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_caught_whatever_the_seed(name: str, seed: int) -> None:
    report = report_on(MUTANTS[name], seed=seed)
    assert not report.ok, str(report)


@pytest.mark.parametrize("name", quick_cases(RIGHT, []))
def test_a_right_layer_passes(name: str) -> None:
    report = report_on(RIGHT[name])
    assert report.ok, str(report)


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", SEEDS[1:])
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_passes_whatever_the_seed(name: str, seed: int) -> None:
    report = report_on(RIGHT[name], seed=seed)
    assert report.ok, str(report)


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 40
