"""Directions are fixed by the name of a leaf, and of its scale."""

import numpy as np
import pytest

from jaxdebug.gradients.directions import FALLBACK_SCALE, gaussian, rms


def test_a_direction_depends_on_path_purpose_and_seed_alone() -> None:
    leaf = np.ones((3, 4))
    drawn = gaussian(leaf, ("a", "w"), "direction", 0)
    np.testing.assert_array_equal(drawn, gaussian(leaf, ("a", "w"), "direction", 0))
    others = [
        gaussian(leaf, ("a", "v"), "direction", 0),
        gaussian(leaf, ("a/w",), "direction", 0),
        gaussian(leaf, ("a", "w"), "jitter", 0),
        gaussian(leaf, ("a", "w"), "direction", 1),
    ]
    for other in others:
        assert not np.any(drawn == other)


def test_another_leaf_re_rolls_nothing() -> None:
    few = {"b": np.ones(3), "w": np.ones((2, 2))}
    many = {"a": np.ones(5), **few}

    def draw(tree: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {k: gaussian(v, (k,), "direction", 0) for k, v in tree.items()}

    before, after = draw(few), draw(many)
    for name in few:
        np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1.0, 1e30, 1e200])
def test_a_direction_has_the_scale_of_its_leaf(scale: float) -> None:
    drawn = gaussian(np.full(10_000, scale), ("w",), "direction", 0)
    assert rms(drawn) == pytest.approx(scale, rel=0.05)


def test_a_zero_leaf_moves_as_well() -> None:
    drawn = gaussian(np.zeros(10_000), ("bias",), "direction", 0)
    assert rms(drawn) == pytest.approx(FALLBACK_SCALE, rel=0.05)


def test_complex_leaves_move_in_both_parts() -> None:
    drawn = gaussian(np.ones(10_000, np.complex128), ("w",), "direction", 0)
    assert drawn.dtype == np.complex128
    assert np.std(drawn.real) == pytest.approx(1, rel=0.05)
    assert np.std(drawn.imag) == pytest.approx(1, rel=0.05)


def test_scalars_and_empty_leaves_have_directions() -> None:
    assert np.shape(gaussian(np.asarray(2.0), (), "direction", 0)) == ()
    assert gaussian(np.zeros((0, 3)), ("w",), "direction", 0).shape == (0, 3)


def test_names_of_any_characters_have_directions() -> None:
    assert gaussian(np.ones(2), ("a\udc80\0b", "\x1b[31m"), "direction", 0).all()


def test_rms_of_values_that_are_not_finite_is_of_the_others() -> None:
    assert rms(np.array([3.0, np.nan, np.inf, 4.0])) == pytest.approx(12.5**0.5)
    assert rms(np.array([np.nan])) == 0
    assert rms(np.zeros(0)) == 0
