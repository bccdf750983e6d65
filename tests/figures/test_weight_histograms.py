"""Histograms of parameters: shares of elements in the right bins."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
from matplotlib.patches import StepPatch

from jaxdebug.figures import weight_histograms
from jaxdebug.figures.weight_histograms import BINS, HEIGHT, SAMPLED
from tests.figures.texts import row_names, texts_of


def histograms_of(figure: Any) -> list[np.ndarray]:
    """Heights of the bins above their base, 1 for the highest, in order of drawing."""
    patches = [p for p in figure.axes[0].patches if isinstance(p, StepPatch)]
    data = [patch.get_data() for patch in patches]
    return [(one.baseline - one.values) / HEIGHT for one in data]


def test_each_parameter_is_a_row_in_units_of_its_root_mean_square() -> None:
    params = {"dense": {"kernel": np.array([[-2.0, 2.0], [2.0, -2.0]]), "bias": [0.0]}}
    params["dense"]["bias"] = np.zeros(3)
    figure = weight_histograms(params, title="Parameters of net")
    assert row_names(figure.axes[0]) == ["bias", "kernel"]
    bias, kernel = histograms_of(figure)
    assert np.flatnonzero(bias).tolist() == [BINS // 2]
    width = 8 / BINS
    assert np.flatnonzero(kernel).tolist() == [int(3 / width), int(5 / width)]
    assert {"0", "2", "Parameters of net\n"} <= {*texts_of(figure)}


def test_what_changed_is_a_line_in_the_units_of_the_start() -> None:
    before = {"w": np.array([1.0, -1.0])}
    figure = weight_histograms(before, {"w": np.array([3.0, -3.0])})
    first, last = histograms_of(figure)
    assert np.flatnonzero(last).tolist() == [10, 70]
    assert np.flatnonzero(first).tolist() == [30, 50]
    assert "1 → 3" in texts_of(figure)


def test_what_is_not_finite_or_outside_is_said() -> None:
    values = np.concatenate([np.ones(98), [np.nan, np.inf]])
    outside = np.concatenate([np.ones(99), [100.0]])
    figure = weight_histograms({"bad": values, "far": outside, "good": np.ones(100)})
    said = "\n".join(texts_of(figure))
    assert "1, 2 of 100 not finite" in said
    assert "10, 1 % outside" in said
    assert said.count("finite") == said.count("outside") == 1
    weight_histograms({"all": np.full(3, np.nan)}).savefig("/dev/null", format="png")


def test_rows_stand_in_the_order_that_is_asked_for() -> None:
    params = {name: np.ones(2) for name in ("a", "b", "c")}
    figure = weight_histograms(params, order=["c", "a"])
    assert row_names(figure.axes[0]) == ["c", "a", "b"]


def test_of_many_parameters_matrices_are_drawn_and_it_is_said() -> None:
    layers = {f"layer_{i}": {"w": np.ones((2, 2)), "b": np.ones(2)} for i in range(150)}
    figure = weight_histograms(layers)
    names = row_names(figure.axes[0])
    assert len(names) == 100
    assert all(name.endswith("/w") for name in names)
    assert "Parameters (100 of 300: matrices and kernels evenly apart)\n" in texts_of(
        figure
    )


def test_a_module_has_its_parameters_drawn_and_nothing_else() -> None:
    net = eqx.nn.MLP(2, 2, 4, 1, key=jax.random.key(0))
    figure = weight_histograms(net)
    assert row_names(figure.axes[0]) == [
        "0/weight",
        "0/bias",
        "1/weight",
        "1/bias",
    ]


def test_a_large_array_is_thinned_in_step_with_no_axis() -> None:
    wide = np.zeros((2 * SAMPLED // 64, 64), np.float32)
    wide[:, 1] = 1.0  # one column of many: every second element would miss it
    (shares,) = histograms_of(weight_histograms({"w": wide}))
    assert np.count_nonzero(shares) == 1  # ones lie 8 root mean squares out
    figure = weight_histograms({"w": wide})
    assert any("1.6 % outside" in text for text in texts_of(figure))


@pytest.mark.parametrize(
    ("params", "later", "message"),
    [
        ({"n": np.arange(3)}, None, "a pytree with floating arrays; found none"),
        ({"w": np.ones(2)}, {"v": np.ones(2)}, "'w' of \\(2,\\) in params, None"),
        ({"w": np.ones(2)}, {"w": np.ones(3)}, r"'w' of \(2,\) in params, \(3,\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(params: Any, later: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weight_histograms(params, later)
