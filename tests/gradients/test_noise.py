"""The noise of a function is measured, whatever its type promises."""

from collections.abc import Callable

import numpy as np
import pytest

from jaxdebug.gradients.ladder import as_ladder, slopes_on_ladder, steps_of_ladder
from jaxdebug.gradients.noise import table_noise

SIZES = (1e-12, 1e-9, 1e-6, 1e-3)


def noisy(size: float, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    return lambda x: np.sin(x) + size * rng.standard_normal(np.shape(x))


@pytest.mark.parametrize("size", SIZES)
def test_a_table_of_differences_finds_the_noise(size: float) -> None:
    points = 0.3 + 1e-6 * np.arange(9) * min(1.0, size / 1e-6)
    values = noisy(size, 1)(np.tile(points, (200, 1)))
    found = table_noise(values)
    known = np.isfinite(found)
    assert known.mean() > 0.8
    assert np.median(found[known]) == pytest.approx(size, rel=0.3)
    assert ((found[known] > size / 4) & (found[known] < 4 * size)).mean() > 0.95


def test_a_table_says_when_its_points_are_too_far_apart() -> None:
    assert np.isnan(table_noise(np.exp(np.arange(9.0))))


def test_equal_values_have_no_noise() -> None:
    assert table_noise(np.full(9, 0.7)) == 0.0


def test_a_table_needs_six_values() -> None:
    with pytest.raises(ValueError, match="at least 6 values, found 5"):
        table_noise(np.zeros(5))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("steps", [steps_of_ladder(), np.array([1e-4, 1e-5, 1e-6])])
def test_a_bar_covers_what_noise_does_to_a_slope(
    steps: np.ndarray, size: float
) -> None:
    x = np.linspace(-3, 3, 500)
    moved = np.stack([x[:, None] + steps, x[:, None] - steps], -1)
    function = noisy(size, 2)
    moves = np.abs(moved - x[:, None, None])
    slopes = slopes_on_ladder(as_ladder(function(moved), function(x), moves))
    for side in (slopes.central, slopes.forward, slopes.backward):
        assert (np.abs(side.slope - np.cos(x)) <= side.bar).mean() >= 0.99
    if len(steps) > 3:
        # And is no wider than needed: the best step leaves about this much.
        assert np.median(slopes.central.bar) < 50 * size**0.8
