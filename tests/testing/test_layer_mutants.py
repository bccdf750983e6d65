"""A layer with a mistake breaks the property that it should; right ones none."""

from __future__ import annotations

import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.report import PropertyResult
from tests.slow import quick_cases
from tests.testing import layer_mutants, module_mutants, rule_mutants
from tests.testing.mutant import MUTANTS, RIGHT, report_on

# Importing them registers them.
LISTS = layer_mutants, module_mutants, rule_mutants

SEEDS = range(5)
"""All but the first with the acceptance tests."""


def broken(name: str, seed: int) -> list[PropertyResult]:
    """The properties that a mutant breaks, of which one is its own."""
    report = report_on(MUTANTS[name], seed)
    failed = [one for one in report.properties if one.verdict is Verdict.FAIL]
    assert MUTANTS[name].breaks in [one.name for one in failed], str(report)
    return failed


@pytest.mark.parametrize(
    "name", quick_cases(MUTANTS, ["scaled_by_the_largest"], slice_of=6)
)
def test_a_mistake_is_caught_by_its_property(name: str) -> None:
    for one in broken(name, 0):
        assert one.reproduce
        assert one.inputs


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", SEEDS[1:])
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_caught_whatever_the_seed(name: str, seed: int) -> None:
    broken(name, seed)


@pytest.mark.parametrize("name", quick_cases(RIGHT, [], slice_of=6))
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
