"""The verdict on each case is a right one, in float32 and in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.case import cast
from tests.verification.points import POINTS
from tests.verification.right import RIGHT
from tests.verification.wrong import WRONG

CASES = {**RIGHT, **WRONG, **POINTS}
QUICK = ["value of the rule"]


@pytest.mark.parametrize(
    "precision", quick_cases(["float64", "float32"], ["float32"], slice_of=2)
)
@pytest.mark.parametrize("name", quick_cases(CASES, QUICK, slice_of=10))
def test_the_verdict_is_right(name: str, precision: str) -> None:
    case = CASES[name]
    # Callbacks run in threads of their own, which see global settings alone.
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", precision == "float64")
    try:
        args = cast(case.args, jnp.dtype(precision))
        report = jd.check_gradients(case.function, **case.options)(*args)
    finally:
        jax.config.update("jax_enable_x64", before)
    assert report.verdict in case.verdicts, str(report)
    if case.reason:
        reasons = {check.reason for check in (*report.leaves, *report.rules)}
        assert case.reason in reasons, str(report)
    assert report.ok == (report.verdict == "pass")
    assert bool(report.findings) >= (report.verdict == "fail")
