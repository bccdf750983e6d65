"""A layer with a mistake breaks the property that it should; right ones none."""

from __future__ import annotations

from typing import Any

import pytest

from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.check_layer import check_layer
from jaxdebug.testing.layers.report import LayerReport
from tests.slow import quick_cases
from tests.testing import layer_mutants, rule_mutants
from tests.testing.mutant import MUTANTS, RIGHT, Mutant

# Importing them registers them.
LISTS = layer_mutants, rule_mutants


def _report(mutant: Mutant, **settings: Any) -> LayerReport:
    return check_layer(
        mutant.function, params=mutant.params, **mutant.settings, **settings
    )


@pytest.mark.parametrize("name", quick_cases(MUTANTS, ["scaled_by_the_largest"]))
def test_a_mistake_is_caught_by_its_property(name: str) -> None:
    mutant = MUTANTS[name]
    declared = mutant.settings.get("declare", ())
    settings = {} if declared else {"only": [mutant.breaks]}
    report = _report(mutant, **settings)
    failed = [one for one in report.properties if one.verdict is Verdict.FAIL]
    assert mutant.breaks in [one.name for one in failed], str(report)
    for one in failed:
        assert one.reproduce
        assert one.inputs


@pytest.mark.parametrize("name", quick_cases(RIGHT, []))
def test_a_right_layer_passes(name: str) -> None:
    report = _report(RIGHT[name])
    assert report.ok, str(report)


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 40
