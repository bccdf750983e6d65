"""Learning curves and range tests: the right numbers, and what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxdebug.figures import learning_curves, range_test
from tests.figures.texts import texts_of

NAN = float("nan")


def lines_of(figure: Any) -> list[tuple[list[float], list[float]]]:
    return [
        (np.asarray(x).tolist(), np.asarray(y).tolist())
        for x, y in (line.get_data() for line in figure.axes[0].lines)
    ]


def test_each_curve_is_drawn_and_named_in_its_colour() -> None:
    curves = {"train": ([0, 1, 2], [4.0, 2.0, 1.0]), "$eval$": ([0, 2], [5.0, 3.0])}
    figure = learning_curves(curves, title="Of [b]x[/]", value="loss / nats")
    assert lines_of(figure) == [
        ([0.0, 1.0, 2.0], [4.0, 2.0, 1.0]),
        ([0.0, 2.0], [5.0, 3.0]),
    ]
    (axes,) = figure.axes
    named = {text.get_text(): text.get_color() for text in axes.texts}
    drawn = [line.get_color() for line in axes.lines]
    assert named == dict(zip(curves, drawn, strict=True))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss / nats")
    assert axes.get_title(loc="left") == "Of [b]x[/]"
    assert axes.get_yscale() == "linear"
    figure.savefig("/dev/null", format="png")  # a dollar begins no formula


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([10.0, 1.0], "log"), ([9.9, 1.0], "linear"), ([10.0, 0.0], "linear")],
)
def test_the_axis_is_logarithmic_only_of_positive_decades(
    losses: list[float], scale: str
) -> None:
    figure = learning_curves({"loss": ([0, 1], losses)})
    assert figure.axes[0].get_yscale() == scale


def test_values_that_are_not_finite_are_marked_at_their_steps() -> None:
    losses = [3.0, NAN, 2.0, float("inf"), float("-inf")]
    figure = learning_curves({"loss": (range(5), losses)})
    (_, drawn), (marked, heights) = lines_of(figure)
    np.testing.assert_array_equal(drawn, [3.0, NAN, 2.0, NAN, NAN])
    assert marked == [1.0, 3.0, 4.0]
    assert set(heights) <= {0.975}
    assert "loss: not finite from step 1" in texts_of(figure)
    clean = learning_curves({"loss": (range(5), [3.0, 2.0, 2.0, 2.0, 1.0])})
    assert len(clean.axes[0].lines) == 1


def test_a_curve_without_a_finite_value_is_drawn_all_the_same() -> None:
    figure = learning_curves({"loss": ([0, 1], [NAN, NAN])})
    assert "loss: not finite from step 0" in texts_of(figure)
    figure.savefig("/dev/null", format="png")


def test_names_of_curves_that_end_together_stand_apart() -> None:
    curves = {f"curve {i}": ([0, 1], [1.0 + i, 2.0]) for i in range(8)}
    figure = learning_curves(curves)
    heights = sorted(text.xy[1] for text in figure.axes[0].texts)
    assert len(heights) == 8
    assert np.diff(heights).min() > 0.05


def test_the_axes_that_are_given_are_drawn_in() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert learning_curves({"loss": ([0], [1.0])}, axes=right) is figure
    assert range_test([0.1, 1.0], [2.0, 1.0], axes=left) is figure
    assert (len(left.lines), len(right.lines)) == (1, 1)


def test_a_range_test_shows_losses_the_start_and_what_is_suggested() -> None:
    rates, losses = [1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.0, 50.0, NAN]
    figure = range_test(rates, losses, 1e-2, start=2.1)
    (axes,) = figure.axes
    (x, y), (above, _), (_, start), (suggested, _), (broken, _) = lines_of(figure)
    assert x == rates
    np.testing.assert_array_equal(y, losses)
    assert (start, suggested, broken) == ([2.1, 2.1], [1e-2, 1e-2], [1.0])
    assert axes.get_xscale() == "log"
    # What diverges hides nothing.
    assert axes.get_ylim()[1] < 5
    assert above == [1e-1]
    assert {"suggested 0.01", "not finite", "at the start 2.1"} <= {*texts_of(figure)}


def test_a_running_mean_is_drawn_above_the_losses() -> None:
    figure = range_test([0.1, 1.0, 10.0], [2.0, 1.0, 3.0], means=[2.0, 1.5, NAN])
    losses, means = figure.axes[0].lines
    assert losses.get_ydata().tolist() == [2.0, 1.0, 3.0]
    np.testing.assert_array_equal(means.get_ydata(), [2.0, 1.5, NAN])
    assert means.get_linewidth() > losses.get_linewidth()


def test_a_range_test_that_never_falls_is_drawn_all_the_same() -> None:
    for losses in ([NAN, NAN], [1.0, 1.0], [float("inf"), 2.0]):
        range_test([0.1, 1.0], losses).savefig("/dev/null", format="png")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning_curves({}), "at least one curve; found none"),
        (lambda: learning_curves({"a": ([0, 1], [1.0])}), r"'a': .* \(2,\) and \(1,\)"),
        (lambda: learning_curves({"a": ([], [])}), "which is not 0"),
        (lambda: learning_curves({"a": (["x"], [1.0])}), "two arrays of numbers"),
        (
            lambda: range_test([0.0, 1.0], [1.0, 1.0]),
            "positive learning rates; found 0",
        ),
        (lambda: range_test([NAN], [1.0]), "found nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
