"""Activation maps: colours of the right channels, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jaxdebug.figures import activation_maps
from tests.figures.texts import texts_of


def test_each_channel_stands_beside_the_last_red_above_zero_and_blue_below() -> None:
    array = np.zeros((2, 3, 2))
    array[0, 0, 0], array[1, 2, 1] = 4.0, -4.0
    figure = activation_maps({"conv": array})
    (axes,) = figure.axes
    image = np.asarray(axes.images[0].get_array())
    assert image.shape == (32, 104, 4)  # 16 pixels a value, and a gap of 4
    red, blue, white = image[0, 0], image[16, 52 + 32], image[0, 16]
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]
    assert white[:3].min() > 0.95
    assert (image[:, 48:52, 3] == 0).all()
    assert (image[:, 52:100, 3] == 1).all()
    assert axes.get_title(loc="left") == "conv: 2 by 3, 2 channels, to ±4"


def test_what_is_not_finite_is_black_and_hides_nothing_else() -> None:
    array = np.ones((2, 2, 1))
    array[0, 0, 0], array[1, 1, 0] = np.nan, -np.inf
    array[0, 1, 0] = -1.0
    figure = activation_maps({"conv": array})
    image = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_array_equal(image[0, 0], [0, 0, 0, 1])
    np.testing.assert_array_equal(image[24:, 24:48], np.full((24, 24, 4), [0, 0, 0, 1]))
    assert image[24, 0, 0] > 0.3
    assert "conv: 2 by 2, 1 channel, 2 not finite (black), to ±1" in texts_of(figure)


def test_channels_of_one_value_are_counted() -> None:
    array = np.zeros((2, 2, 3))
    array[..., 1] = 5.0
    array[0, 0, 2] = 1.0
    array = np.concatenate([array, np.full((2, 2, 1), np.inf)], -1)
    (axes,) = activation_maps({"conv": array}).axes
    assert axes.get_title(loc="left") == (
        "conv: 2 by 2, 4 channels, 3 constant, 4 not finite (black), to ±5"
    )


@pytest.mark.slow
def test_of_many_layers_and_channels_some_are_drawn_and_it_is_said() -> None:
    maps = {f"conv_{index}": np.ones((1, 2, 40)) for index in range(60)}
    figure = activation_maps(maps, title="Maps")
    assert len(figure.axes) == 24
    assert "Maps (24 of 60 layers)" in texts_of(figure)
    assert "first 12 of 40 channels" in figure.axes[0].get_title(loc="left")
    assert figure.axes[-1].get_title(loc="left").startswith("conv_59:")
    assert np.asarray(figure.axes[0].images[0].get_array()).shape == (24, 624, 4)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "at least one layer; found none"),
        ({"conv": np.ones((2, 2))}, r"'conv'.* found float64 of shape \(2, 2\)"),
        ({"conv": np.ones((2, 2, 1), complex)}, "real numbers"),
        ({"conv": np.ones((0, 2, 1))}, r"\(0, 2, 1\)"),
    ],
)
def test_what_is_no_map_is_refused(maps: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        activation_maps(maps)
