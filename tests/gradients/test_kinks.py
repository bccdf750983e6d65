"""Kinks, cusps and jumps are told apart, and only a lawful slope passes there."""

import functools

import numpy as np
import pytest

from jaxdebug.gradients.judgement import judge
from jaxdebug.gradients.kinks import Kind, Point, points_on_ladder
from jaxdebug.gradients.ladder import as_ladder, steps_of_ladder
from jaxdebug.reports import Verdict
from tests.gradients.kinked_functions import ENTRIES, Entry

KINDS = (np.float64, np.float32)
NAMED = {entry.name: entry for entry in ENTRIES}
UNLAWFUL = (Kind.CUSP, Kind.JUMP)
STEEP_EDGES = ("root at zero", "arcsine at one")
"""Their slope is infinite: a finite one is neither right nor within any bar."""


@functools.cache
def point_of(
    name: str, kind: type[np.floating], steps: tuple[float, ...] | None = None
) -> Point:
    entry = NAMED[name]
    x = kind(entry.point)
    step = (steps_of_ladder() if steps is None else np.array(steps)).astype(kind)
    moved = np.stack([x + step, x - step], -1)
    with np.errstate(all="ignore"):
        values = np.asarray(entry.function(moved))
        centre = np.asarray(entry.function(np.array([x])))[0]
    assert values.dtype == kind
    moves = np.abs(moved.astype(np.float64) - float(x))
    eps = float(np.finfo(kind).eps)
    return points_on_ladder(as_ladder(values, float(centre), moves, eps=eps)).at()


def expected(entry: Entry, kind: type[np.floating]) -> tuple[Kind, ...]:
    return entry.single if kind is np.float32 and entry.single else (entry.kind,)


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_told_apart(kind: type[np.floating]) -> None:
    assert len(ENTRIES) >= 60
    wrong = {
        entry.name: point_of(entry.name, kind).kind
        for entry in ENTRIES
        if point_of(entry.name, kind).kind not in expected(entry, kind)
    }
    assert not wrong


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMED)
def test_lawful_slopes_pass_and_others_fail(name: str, kind: type[np.floating]) -> None:
    entry, point = NAMED[name], point_of(name, kind)
    for slope in entry.lawful:
        found = judge(float(slope), point)
        if entry.kind in UNLAWFUL:
            assert found == (Verdict.INCONCLUSIVE, "not-differentiable")
        else:
            assert found.verdict is Verdict.PASS, found
    for slope in entry.wrong:
        found = judge(float(slope), point)
        if name in STEEP_EDGES and np.isfinite(slope):
            assert found == (Verdict.INCONCLUSIVE, "not-differentiable")
        elif entry.single and kind is np.float32:
            # Float32 does not resolve the kink: what it allows is what it states.
            gap = abs(slope - point.central.slope)
            assert found.verdict is Verdict.FAIL or gap < 2 * point.central.bar
        else:
            assert found.verdict is Verdict.FAIL, found


@pytest.mark.parametrize("steps", [(1e-5, 1e-6), (1e-5, 1e-6, 1e-7)])
@pytest.mark.parametrize("name", NAMED)
def test_two_steps_fail_no_lawful_slope(name: str, steps: tuple[float, ...]) -> None:
    """Nor do they take a cusp or a jump for a point with a slope."""
    entry, point = NAMED[name], point_of(name, np.float64, steps)
    for slope in entry.lawful:
        assert judge(float(slope), point).verdict is not Verdict.FAIL
    if entry.kind is Kind.JUMP:
        assert point.kind is Kind.UNDECIDED
    if entry.kind is Kind.KINK and "weak" not in name:
        assert point.kind is Kind.KINK


def test_the_reasons_say_what_decided() -> None:
    def reason(name: str, slope: float) -> str:
        return judge(slope, point_of(name, np.float64)).reason

    assert reason("relu", 0.5) == "kink"
    assert reason("relu", -0.2) == "outside-kink"
    assert reason("huber", 1.0) == "agrees"
    assert reason("huber", 0.9) == "disagrees"
    assert reason("identity of relus", 0.0) == "lost-gradient"
    assert reason("floor at 8e-4", 0.0) == "flat"
    assert reason("relu at -3", 0.0) == "no-effect"
    assert reason("root of abs", 0.0) == "not-differentiable"
    assert reason("line from zero", 2.0) == "edge"
    assert reason("line from zero", 0.0) == "lost-gradient"
    assert reason("sinc", float("nan")) == "not-finite"
    assert reason("log at -10", -0.1) == "not-finite"
    assert reason("oscillating", 0.0) == "too-noisy"


def test_a_tolerance_forgives_that_much() -> None:
    smooth, kink = point_of("elu", np.float64), point_of("relu", np.float64)
    for point in (smooth, kink):
        assert judge(1.001, point, tolerance=2e-3).verdict is Verdict.PASS
        assert judge(1.001, point, tolerance=5e-4).verdict is Verdict.FAIL


def test_a_stated_scale_decides_a_slope_of_zero() -> None:
    """That nothing changed is a reason to pass only if it was known to matter."""
    still = point_of("relu at -3", np.float64)
    assert judge(0.0, still) == (Verdict.INCONCLUSIVE, "no-effect")
    assert judge(0.0, still, scale=1.0) == (Verdict.PASS, "agrees")
    assert judge(1.0, still) == (Verdict.FAIL, "disagrees")


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-6])
def test_noise_is_no_kink_and_no_cusp(size: float) -> None:
    rng = np.random.default_rng(3)
    x, steps = np.linspace(-3, 3, 600), steps_of_ladder()
    moved = np.stack([x[:, None] + steps, x[:, None] - steps], -1)

    def noisy(points: np.ndarray) -> np.ndarray:
        return np.exp(points) + size * rng.standard_normal(points.shape)

    moves = np.abs(moved - x[:, None, None])
    found = points_on_ladder(as_ladder(noisy(moved), noisy(x), moves))
    assert set(found.kinds.tolist()) <= {Kind.SMOOTH, Kind.UNDECIDED}
    assert (found.kinds == Kind.SMOOTH).mean() > 0.95
    for at in range(len(x)):
        slope = float(np.exp(x[at]))
        assert judge(slope, found.at(at)).verdict is not Verdict.FAIL
        assert judge(-slope, found.at(at)).verdict is not Verdict.PASS


def test_steps_that_were_all_rounded_away_decide_nothing() -> None:
    point = points_on_ladder(as_ladder(np.ones((3, 2)), 1.0, np.zeros(3))).at()
    assert point.kind is Kind.UNDECIDED
    assert judge(0.0, point, scale=1.0) == (Verdict.INCONCLUSIVE, "too-noisy")


def test_a_single_direction_is_one_of_many() -> None:
    steps = steps_of_ladder()
    values = np.stack([np.abs(steps), np.abs(steps)], -1)
    many = points_on_ladder(as_ladder(np.stack([values, 2 * values]), 0.0, steps))
    assert many.at(0) == points_on_ladder(as_ladder(values, 0.0, steps)).at()
    assert many.at(1).forward.slope == pytest.approx(2.0)


@pytest.mark.parametrize(("size", "verdict"), [(1.0, "fail"), (1e-12, "inconclusive")])
def test_kinks_that_only_large_steps_show_fail_no_slope(
    size: float, verdict: str
) -> None:
    """Beside a value of 1, a small function is seen by large steps alone."""
    steps = steps_of_ladder()
    values = 1 + size * np.maximum(np.stack([steps, -steps], -1), 0)
    point = points_on_ladder(as_ladder(values, 1.0, steps)).at()
    found = judge(3 * size, point, scale=size)
    assert (point.kind, found.verdict) == (Kind.KINK, verdict)
