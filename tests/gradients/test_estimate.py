"""The error bar of a difference covers its true error."""

from collections.abc import Callable

import numpy as np
import pytest

from jaxdebug.gradients.differences import STEPS
from jaxdebug.gradients.verdict import Estimate, estimate

Function = Callable[[float], float]

# Each function with its derivative, smooth at every point below.
FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "linear": (lambda x: 3 * x - 1, lambda x: 3.0),
    "constant": (lambda x: 0.7, lambda x: 0.0),
    "cubic": (lambda x: x**3 - x, lambda x: 3 * x**2 - 1),
    "sine": (np.sin, np.cos),
    "fast sine": (lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)),
    "exponential": (lambda x: np.exp(5 * x), lambda x: 5 * np.exp(5 * x)),
    "tanh": (lambda x: np.tanh(4 * x), lambda x: 4 / np.cosh(4 * x) ** 2),
    "softplus": (lambda x: np.log1p(np.exp(x)), lambda x: 1 / (1 + np.exp(-x))),
    "logarithm": (lambda x: np.log(x + 2), lambda x: 1 / (x + 2)),
    "root": (lambda x: np.sqrt(x + 1.5), lambda x: 0.5 / np.sqrt(x + 1.5)),
    "reciprocal": (lambda x: 1 / (x + 2), lambda x: -1 / (x + 2) ** 2),
    "bump": (lambda x: np.exp(-50 * x**2), lambda x: -100 * x * np.exp(-50 * x**2)),
    "large offset": (lambda x: 1e6 + np.sin(x), np.cos),
    "tiny": (lambda x: 1e-30 * np.sin(x), lambda x: 1e-30 * np.cos(x)),
    "huge": (lambda x: 1e200 * np.sin(x), lambda x: 1e200 * np.cos(x)),
}
POINTS = (-1.1, -0.37, -1e-3, 0.0, 0.02, 0.61, 1.3)
CASES = [(name, point) for name in FUNCTIONS for point in POINTS]


def ladder(function: Function, point: float) -> tuple[np.ndarray, float]:
    """Losses one step forward and backward, and the loss at the point."""
    rows = [[function(point + h), function(point - h)] for h in STEPS]
    return np.array(rows), float(function(point))


@pytest.mark.parametrize(("name", "point"), CASES)
def test_bar_covers_the_true_error(name: str, point: float) -> None:
    function, derivative = FUNCTIONS[name]
    found = estimate(*ladder(function, point))
    # The point itself is rounded as well: a step of 1e-7 is a multiple of 2e-16.
    rounding = 1e-9 * abs(derivative(point))
    assert abs(found.slope - derivative(point)) <= found.bar + rounding


def test_bars_are_tight_enough_to_decide() -> None:
    """Covering is easy with infinite bars: where a slope exists they are small."""
    width = []
    for name, point in CASES:
        function, derivative = FUNCTIONS[name]
        slope = abs(derivative(point))
        if name not in ("constant", "large offset") and slope > 1e-3 * abs(
            function(point)
        ):
            width.append(estimate(*ladder(function, point)).bar / slope)
    assert len(width) >= 60
    assert np.median(width) < 1e-7
    assert max(width) < 1e-3


def test_noise_widens_the_bar() -> None:
    random = np.random.default_rng(0)

    def noisy(x: float) -> float:
        return np.sin(x) + 1e-6 * random.standard_normal()

    covered = 0
    for point in np.linspace(-1, 1, 200):
        found = estimate(*ladder(noisy, point))
        assert found.bar > 1e-3
        covered += abs(found.slope - np.cos(point)) <= found.bar
    assert covered >= 190


def test_a_step_function_inside_the_ladder_is_not_trusted() -> None:
    """A jump next to the point: differences diverge and the bar says so."""
    found = estimate(*ladder(lambda x: float(x > 0) + x, 0.0))
    assert found.bar > 1e3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_finite_gives_an_infinite_bar(bad: float) -> None:
    found = estimate(np.full((len(STEPS), 2), bad), bad)
    assert np.isnan(found.slope)
    assert found.bar == np.inf


def test_steps_that_are_not_finite_are_left_out() -> None:
    losses, loss = ladder(np.sin, 0.3)
    losses[0] = np.inf
    found = estimate(losses, loss)
    assert found == Estimate(found.slope, found.bar, STEPS[-1])
    assert abs(found.slope - np.cos(0.3)) <= found.bar < 1e-4
