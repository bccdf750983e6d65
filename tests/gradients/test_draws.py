"""Directions are fixed by the name of a leaf, and move it by its scale."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pytest

from jaxdebug.gradients.draws import FALLBACK_SCALE, direction, draws, scales


def drawn(
    leaves: Sequence[Any], paths: Sequence[Sequence[str]], index: int = 0, seed: int = 0
) -> list[np.ndarray]:
    with jax.enable_x64(True):
        keys = draws(paths, leaves, seed)
        return [*map(np.asarray, direction(keys, index, leaves))]


def one(path: Sequence[str] = ("a", "w"), index: int = 0, seed: int = 0) -> np.ndarray:
    (found,) = drawn([np.ones((3, 4))], [path], index, seed)
    return found


def test_a_direction_depends_on_path_index_and_seed_alone() -> None:
    np.testing.assert_array_equal(one(), one())
    for other in (one(("a", "v")), one(("a/w",)), one(index=1), one(seed=1)):
        assert not np.any(one() == other)


def test_another_leaf_re_rolls_nothing() -> None:
    few = [np.ones(3), np.ones((2, 2))]
    before = drawn(few, [("b",), ("w",)])
    after = drawn([np.ones(500), *few], [("a",), ("b",), ("w",)])
    for old, new in zip(before, after[1:], strict=True):
        np.testing.assert_array_equal(old, new)


def test_directions_are_normal_and_uncorrelated() -> None:
    leaf, count = np.ones(10_000), 8
    every = np.stack([drawn([leaf], [("w",)], index)[0] for index in range(count)])
    rows = every[:, : 39 * 256].reshape(-1, 256)
    correlations = np.corrcoef(rows) - np.eye(len(rows))
    assert abs(every.mean()) < 4 / every.size**0.5
    assert np.mean(every**2) == pytest.approx(1, abs=4 * (2 / every.size) ** 0.5)
    assert np.mean(every**4) == pytest.approx(3, abs=4 * (96 / every.size) ** 0.5)
    # No two blocks or directions repeat one another.
    assert np.abs(correlations).max() < 6 / 256**0.5


def test_complex_leaves_move_in_both_parts() -> None:
    (found,) = drawn([np.ones(10_000, np.complex128)], [("w",)])
    assert found.dtype == np.complex128
    assert np.std(found.real) == pytest.approx(1, rel=0.05)
    assert np.std(found.imag) == pytest.approx(1, rel=0.05)


def test_scalars_and_empty_leaves_have_directions() -> None:
    scalar, empty = drawn([np.asarray(2.0), np.zeros((0, 3))], [(), ("w",)])
    assert scalar.shape == ()
    assert empty.shape == (0, 3)


def test_names_of_any_characters_have_directions() -> None:
    assert one(("a\udc80\0b", "\x1b[31m")).all()


@pytest.mark.parametrize("scale", [1e-1, 1.0, 1e30, 1e200])
def test_a_leaf_moves_by_its_root_mean_square(scale: float) -> None:
    leaf = scale * np.array([1.0, -1.0, np.nan, np.inf])
    gradients = [np.ones(4), np.ones(1)]
    moves = scales([leaf, np.array([1e300])], gradients)
    assert moves[0] == pytest.approx(scale)


def test_a_zero_leaf_moves_as_well() -> None:
    moves = scales([np.zeros(3), np.zeros(0), np.ones(3)], [np.ones(3)] * 3)
    np.testing.assert_allclose(moves, [FALLBACK_SCALE, FALLBACK_SCALE, 1])


def test_a_tiny_leaf_moves_as_far_as_gives_it_a_part_in_the_slope() -> None:
    tiny, steep = np.full(3, 1e-6), np.full(3, 1e4)
    moves = scales([tiny, np.ones(3)], [steep, np.ones(3)])
    np.testing.assert_allclose(moves, [1e-4, 1])
    far = scales([tiny, np.ones(3)], [np.full(3, 1e-9), np.ones(3)])
    np.testing.assert_allclose(far, [FALLBACK_SCALE, 1])
