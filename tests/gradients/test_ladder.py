"""The bar of a slope covers its true error, and is narrow enough to be of use."""

import functools

import numpy as np
import pytest

from jaxdebug.gradients.judgement import judge
from jaxdebug.gradients.kinks import Point, points_on_ladder
from jaxdebug.gradients.ladder import (
    Ladder,
    Slopes,
    as_ladder,
    slopes_on_ladder,
    steps_of_ladder,
)
from jaxdebug.gradients.tableau import Side
from jaxdebug.reports import Verdict
from tests.gradients.smooth_functions import Taken, take

KINDS = (np.float64, np.float32)
SHORT = {2: (1e-5, 1e-6), 3: (1e-5, 1e-6, 1e-7)}

# In float32 its values are a few units in the last place of one: the finest steps
# change nothing at all, and look like those of a constant.
HIDDEN = {"cancelling at 0.001 by 0.001"}


@functools.cache
def taken(kind: type[np.floating], rungs: int = 0, spread: int = 0) -> Taken:
    steps = np.array(SHORT[rungs]) if rungs else steps_of_ladder()
    return take(steps, kind, spread)


@functools.cache
def slopes(kind: type[np.floating], rungs: int = 0, spread: int = 0) -> Slopes:
    return slopes_on_ladder(ladder(taken(kind, rungs, spread), kind))


def ladder(sample: Taken, kind: type[np.floating]) -> Ladder:
    eps = float(np.finfo(kind).eps)
    return as_ladder(sample.values, sample.centre, sample.moves, eps=eps)


@functools.cache
def points(kind: type[np.floating]) -> list[Point]:
    found = points_on_ladder(ladder(taken(kind), kind))
    return [found.at(i) for i in range(len(taken(kind).names))]


def covered(side: Side, truth: np.ndarray) -> float:
    return float((np.abs(side.slope - truth) <= side.bar).mean())


def test_there_are_enough_pairs() -> None:
    assert len(taken(np.float64).names) >= 500


@pytest.mark.parametrize("kind", KINDS)
def test_bars_cover_the_true_error(kind: type[np.floating]) -> None:
    found, truth = slopes(kind), taken(kind).truth
    assert covered(found.central, truth) >= (1.0 if kind is np.float64 else 0.997)
    assert covered(found.forward, truth) >= 0.995
    assert covered(found.backward, truth) >= 0.995


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_bars_cover_the_true_error_at_other_points(kind: type[np.floating]) -> None:
    for seed in range(1, 16):
        found, sample = slopes(kind, 0, seed), taken(kind, 0, seed)
        for side in (found.central, found.forward, found.backward):
            assert covered(side, sample.truth) >= 0.99


@pytest.mark.parametrize("rungs", SHORT)
def test_bars_of_short_ladders_cover_the_true_error(rungs: int) -> None:
    found, truth = slopes(np.float64, rungs), taken(np.float64, rungs).truth
    for side in (found.central, found.forward, found.backward):
        known = np.isfinite(side.bar)
        assert known.mean() > 0.99
        error = np.abs(side.slope - truth)
        assert (error[known] <= side.bar[known]).all()
    assert median(found.central, truth) < 1e-8


@pytest.mark.parametrize(("kind", "bar"), [(np.float64, 1e-12), (np.float32, 5e-5)])
def test_bars_are_narrow(kind: type[np.floating], bar: float) -> None:
    assert median(slopes(kind).central, taken(kind).truth) < bar


def median(side: Side, truth: np.ndarray) -> float:
    there = truth != 0
    return float(np.median(side.bar[there] / np.abs(truth[there])))


@pytest.mark.parametrize("kind", KINDS)
def test_no_right_slope_fails(kind: type[np.floating]) -> None:
    sample = taken(kind)
    failed = {
        name
        for name, point, truth in zip(
            sample.names, points(kind), sample.truth, strict=True
        )
        if judge(float(truth), point).verdict is Verdict.FAIL
    }
    assert failed <= (HIDDEN if kind is np.float32 else set())


@pytest.mark.parametrize(
    ("kind", "error", "caught"),
    [(np.float64, 1e-6, 0.95), (np.float32, 1e-4, 0.6), (np.float32, 1e-2, 0.85)],
)
def test_a_slightly_wrong_slope_fails(
    kind: type[np.floating], error: float, caught: float
) -> None:
    """It passes only where the stated bar is as wide as the error."""
    outcomes = []
    for point, truth in zip(points(kind), taken(kind).truth, strict=True):
        if truth == 0:
            continue
        verdict = judge(float(truth * (1 + error)), point).verdict
        outcomes.append(verdict is Verdict.FAIL)
        if verdict is Verdict.PASS:
            assert point.central.bar >= 0.3 * error * abs(truth)
    assert np.mean(outcomes) > caught


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_a_lost_or_flipped_slope_does_not_pass(
    kind: type[np.floating], factor: float
) -> None:
    sample = taken(kind)
    for name, point, truth in zip(
        sample.names, points(kind), sample.truth, strict=True
    ):
        if truth == 0 or name in HIDDEN:
            continue
        judgement = judge(float(factor * truth), point)
        if judgement.verdict is Verdict.PASS:
            # Float32 alone: a slope below a thousandth of those around.
            assert kind is np.float32
            assert judgement.reason == "flat"
            assert abs(truth) < 1e-3 * point.around


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("tanh at 20 by 20", False),
        ("erf at 10 by 10", False),
        ("sigmoid at -40 by 40", True),
        ("arctangent at 1000 by 1000", True),
    ],
)
def test_a_saturated_function_passes_no_zero(
    kind: type[np.floating], name: str, known: bool
) -> None:
    at = taken(kind).names.index(name)
    point, truth = points(kind)[at], float(taken(kind).truth[at])
    right, zero = judge(truth, point), judge(0.0, point)
    assert point.central.bar > 0
    if known:
        assert right.verdict is not Verdict.FAIL
        assert right.verdict is Verdict.PASS or kind is np.float32
        assert zero == (Verdict.FAIL, "lost-gradient")
    else:
        assert right.verdict is zero.verdict is Verdict.INCONCLUSIVE
        # That slopes of size one matter is what makes it known.
        assert judge(truth, point, scale=1.0).verdict is Verdict.PASS


def test_noise_that_is_stated_widens_the_bar() -> None:
    sample = ladder(taken(np.float64), np.float64)
    wide = slopes_on_ladder(sample, noise=1e-3)
    assert (wide.central.bar >= slopes(np.float64).central.bar).all()
    assert np.median(wide.central.bar) > 1e-3


def test_leading_axes_are_directions() -> None:
    sample = taken(np.float64)
    many = slopes(np.float64)
    for at in (0, 100, 500):
        one = slopes_on_ladder(
            as_ladder(sample.values[at], sample.centre[at], sample.moves[at])
        )
        assert one.central.slope == many.central.slope[at]
        assert one.forward.bar == many.forward.bar[at]


def test_steps_may_differ_between_the_sides() -> None:
    steps = np.geomspace(0.1, 1e-6, 12)
    moves = np.stack([steps, 0.7 * steps], -1)
    values = np.exp(1 + moves * [1, -1])
    found = slopes_on_ladder(as_ladder(values, np.exp(1.0), moves)).central
    assert abs(found.slope - np.e) <= found.bar < 1e-9


def test_a_step_rounded_away_is_passed_over() -> None:
    steps = np.array([1e-1, 1e-2, 1e-3, 1e-4, 0.0, 0.0])
    values = np.sin(0.5 + steps[:, None] * [1, -1])
    found = slopes_on_ladder(as_ladder(values, np.sin(0.5), steps)).central
    assert abs(found.slope - np.cos(0.5)) <= found.bar < 1e-8


def test_one_step_has_no_bar() -> None:
    found = slopes_on_ladder(as_ladder(np.array([[1.0, -1.0]]), 0.0, np.array([1.0])))
    assert found.central.bar == np.inf
    assert np.isnan(found.central.slope)


@pytest.mark.parametrize(
    ("values", "steps", "message"),
    [
        (np.zeros(3), np.ones(3), "expected values"),
        (np.zeros((0, 2)), np.ones(0), "expected values"),
        (np.zeros((3, 2)), -np.ones(3), "expected steps >= 0"),
    ],
)
def test_bad_ladders_are_refused(
    values: np.ndarray, steps: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        as_ladder(values, 0.0, steps)
