"""Verdicts on leaves: each planted fault fails, its clean twin passes."""

import numpy as np
import pytest

from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.reports import Verdict
from tests.gradients.looks import look

POINTS = (-1.0, -0.3, 0.2, 0.7, 1.1)
FAIL, PASS, INCONCLUSIVE = Verdict.FAIL, Verdict.PASS, Verdict.INCONCLUSIVE


def outcome(leaf: LeafCheck) -> tuple[Verdict, str]:
    return leaf.verdict, leaf.reason


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("factor", [1 + 2e-6, 1 + 1e-4, 1 - 1e-4, 1.01, -1.0, 1e6])
def test_a_wrong_slope_fails_and_the_right_one_passes(
    factor: float, point: float
) -> None:
    assert outcome(look(np.sin, np.cos, point)) == (PASS, "agrees")
    wrong = look(np.sin, lambda x: factor * np.cos(x), point)
    assert outcome(wrong) == (FAIL, "disagrees")
    gap = abs(wrong.slope - wrong.difference) / wrong.size
    assert gap == pytest.approx(abs(factor - 1) / abs(factor), rel=1e-2)


@pytest.mark.parametrize("frequency", [1e9, 1e12, 1e15])
def test_a_slope_that_no_step_resolves_is_inconclusive(frequency: float) -> None:
    """As of a long recurrence that explodes: coarse steps see unrelated values."""
    right = look(
        lambda x: np.sin(frequency * x),
        lambda x: frequency * np.cos(frequency * x),
        0.3,
    )
    assert outcome(right) == (INCONCLUSIVE, "not-converged")
    if frequency < 1e15:  # where even the rounding of the step is seen
        wrong = look(np.sin, lambda x: frequency * np.cos(x), 0.3)
        assert outcome(wrong) == (FAIL, "disagrees")


@pytest.mark.parametrize("factor", [1 + 1e-9, 1 - 5e-7, 1 + 5e-7])
def test_rounding_passes(factor: float) -> None:
    assert look(np.sin, lambda x: np.cos(x) * factor, 0.4).verdict is PASS


@pytest.mark.parametrize("point", POINTS)
def test_a_lost_gradient_fails(point: float) -> None:
    assert outcome(look(np.sin, lambda x: 0.0, point)) == (FAIL, "lost-gradient")


def test_a_parameter_without_effect_passes() -> None:
    leaf = look(lambda x: 0.7, lambda x: 0.0, 0.3)
    assert outcome(leaf) == (PASS, "no-effect")
    assert leaf.difference == 0


def test_a_step_function_is_flat() -> None:
    """A rounding passes no gradient, though large changes change the loss."""
    leaf = look(lambda x: np.round(x * 10) / 10, lambda x: 0.0, 0.33)
    assert outcome(leaf) == (PASS, "flat")


def test_a_solvers_tolerance_is_inconclusive_and_a_wrong_rule_fails() -> None:
    def scaled(factor: float) -> LeafCheck:
        return look(np.sin, lambda x: factor * np.cos(x), 0.3, iterates=True)

    assert outcome(scaled(1.001)) == (INCONCLUSIVE, "iterates")
    assert outcome(scaled(1.05)) == (FAIL, "disagrees")
    assert outcome(scaled(1.0)) == (PASS, "agrees")


def test_a_gradient_that_is_only_rounding_is_negligible() -> None:
    """A bias in front of a softmax: zero but for rounding, among real gradients."""

    def rounding(x: float) -> float:
        return 2.0 + 1e-16 * np.sin(1e9 * x)

    leaf = look(rounding, lambda x: 1e-17, 0.3, others=1e3)
    assert outcome(leaf) == (PASS, "negligible")
    alone = look(rounding, lambda x: 1e-17, 0.3)
    assert outcome(alone) == (PASS, "negligible")
    assert outcome(look(rounding, lambda x: 1e-9, 0.3)) == (FAIL, "disagrees")


@pytest.mark.parametrize(("gap", "passes"), [(1e-9, True), (1e-4, False)])
def test_a_gap_of_what_cancels_is_rounding(gap: float, passes: bool) -> None:
    """A bias in front of a batch norm: the terms of its gradient are large."""
    leaf = look(lambda x: 2.0, lambda x: 1e-12, 0.3, others=1e3, gap=gap)
    assert outcome(leaf) == ((PASS, "negligible") if passes else (FAIL, "disagrees"))


def test_a_gap_of_a_gradient_that_is_not_zero_fails() -> None:
    leaf = look(np.sin, np.cos, 0.3, others=1e3, gap=1e-9)
    assert outcome(leaf) == (FAIL, "disagrees")


def test_a_kink_at_the_point_passes() -> None:
    def derivative(x: float) -> float:
        return float(x > 0)

    leaf = look(lambda x: max(x, 0.0), derivative, 0.0)
    assert outcome(leaf) == (PASS, "agrees")


def test_a_wrong_gradient_beside_a_kink_fails() -> None:
    wrong = look(lambda x: max(x, 0.0), lambda x: 1.01 * (x > 0), 0.0)
    assert outcome(wrong) == (FAIL, "disagrees")


def test_a_kink_between_the_evaluations_is_not_a_pass_of_a_wrong_gradient() -> None:
    """Between the losses of every step lies a kink: the ladder sees half the slope."""
    leaf = look(abs, lambda x: 1.0, -1e-3, near=1e-3)
    assert leaf.verdict is not PASS


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(1.0, PASS), (1.0001, PASS), (1.0005, INCONCLUSIVE), (2, FAIL)],
)
def test_noise_widens_the_bar(factor: float, verdict: Verdict) -> None:
    random = np.random.default_rng(0)

    def noisy(x: float) -> float:
        return np.sin(x) + 1e-6 * random.standard_normal()

    leaf = look(noisy, lambda x: factor * np.cos(x), 0.4)
    assert leaf.verdict is verdict, leaf
    assert abs(leaf.difference - np.cos(0.401)) < leaf.bar


def test_noise_does_not_hide_as_a_lost_gradient() -> None:
    random = np.random.default_rng(0)
    verdicts = {
        look(lambda x: 1.0 + 1e-6 * random.standard_normal(), lambda x: 0.0, 0.4).reason
        for _ in range(50)
    }
    assert "lost-gradient" not in verdicts


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_fails(bad: float) -> None:
    assert outcome(look(np.sin, lambda x: bad, 0.4)) == (FAIL, "not-finite")


def test_a_gradient_not_finite_only_at_the_point_fails() -> None:
    """The root of a zero: a finite slope beside it is no excuse."""

    def derivative(x: float) -> float:
        return np.nan if x == 0.0 else np.cos(x)

    assert outcome(look(np.sin, derivative, 0.0)) == (FAIL, "not-finite")


def test_a_loss_that_is_not_finite_has_no_gradient() -> None:
    leaf = look(lambda x: np.nan, lambda x: 1.0, 0.4)
    assert outcome(leaf) == (FAIL, "not-finite")


def test_a_native_gradient_that_is_not_finite_fails() -> None:
    """Overflow in the model's precision: in float64 everything agrees."""
    for precision in (np.nan, np.inf):
        leaf = look(np.sin, np.cos, 0.4, precision=precision)
        assert outcome(leaf) == (FAIL, "not-finite")
        assert np.isfinite(leaf.slope)
