"""The loss over learning rates: where it falls fastest, where it diverges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.figures.arrays import require_pairs
from jaxdebug.figures.canvas import (
    BLUE,
    BROKEN,
    GREEN,
    GREY,
    WORDS,
    axes_for,
    figure_of,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKED = 40
"""Points up to which each is marked."""


def range_test(
    learning_rates: Any,
    losses: Any,
    suggested: float | None = None,
    *,
    means: Any = None,
    start: float | None = None,
    title: str = "Learning-rate range test",
    rate: str = "learning rate",
    value: str = "loss",
    axes: Axes | None = None,
) -> Figure:
    """Draw the loss over learning rates, or over anything that scales the steps.

    The rates have a logarithmic axis. What lies far above the losses of the others is
    cut off. At the upper edge triangles mark what is above it, crosses what is not
    finite.

    Args:
        learning_rates: positive numbers.
        losses: one for each; NaN or infinite where the training diverged.
        suggested: the rate to be taken; None if there is none.
        means: a mean of the losses nearby, drawn above them.
        start: the loss before any step.
        title: what is seen.
        rate: what the rates are, with their unit if they have one.
        value: what the losses are.
        axes: of Matplotlib, to draw in; by default those of a new figure.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if the arrays are not of one size, or a rate is not positive.

    Example:
        >>> figure = range_test([0.01, 0.1, 1.0], [2.0, 1.0, float("nan")], 0.1)
        >>> figure.axes[0].get_xscale()
        'log'
    """
    rates, found = require_pairs("range_test", learning_rates, losses)
    if not (np.isfinite(rates) & (rates > 0)).all():
        worst = rates[~(np.isfinite(rates) & (rates > 0))][0]
        raise ValueError(
            f"range_test expects positive learning rates; found {worst:g}. Leave out "
            "the steps before the first."
        )
    drawn = axes_for(axes)
    drawn.set_xscale("log")
    finite = np.isfinite(found)
    drawn.plot(
        rates,
        np.where(finite, found, np.nan),
        color=BLUE,
        marker="o" if rates.size <= MARKED else None,
        markersize=4,
        linewidth=1.4 if means is None else 0.8,
        alpha=1.0 if means is None else 0.5,
    )
    if means is not None:
        _, smooth = require_pairs("range_test, means", learning_rates, means)
        smooth = np.where(np.isfinite(smooth), smooth, np.nan)
        drawn.plot(rates, smooth, color=BLUE, linewidth=2)
    _show_the_low_ones(drawn, found[finite], start)
    above = finite & (found > drawn.get_ylim()[1])
    _at_the_top(drawn, rates[above], "^", BLUE)
    if start is not None and np.isfinite(start):
        drawn.axhline(start, color=GREY, linestyle="--", linewidth=1)
        _beside(drawn, f"at the start {start:.4g}", start, GREY)
    if suggested is not None:
        drawn.axvline(suggested, color=GREEN, linewidth=1.4)
        _above(drawn, suggested, f"suggested {suggested:.3g}", GREEN, 0.02)
    if not finite.all():
        _at_the_top(drawn, rates[~finite], "x", BROKEN)
        _above(drawn, float(rates[~finite][0]), "not finite", BROKEN, 0.9)
    plain(drawn, title, xlabel=rate, ylabel=value)
    return figure_of(drawn)


def _show_the_low_ones(axes: Axes, losses: np.ndarray, start: float | None) -> None:
    """Cut off what has diverged: beside it, how the others differ is not seen."""
    if not losses.size:
        return
    known = [*losses[: max(1, losses.size // 4)], *([] if start is None else [start])]
    low, usual = float(losses.min()), float(np.max(known))
    room = (usual - low) or abs(usual) or 1.0
    if losses.max() > usual + 2 * room:
        axes.set_ylim(low - 0.1 * room, usual + room)


def _at_the_top(axes: Axes, rates: np.ndarray, marker: str, color: str) -> None:
    """Mark rates whose losses are not in the figure."""
    if rates.size:
        heights = np.full(rates.size, 0.98)
        top = axes.get_xaxis_transform()
        axes.plot(rates, heights, marker, color=color, markersize=5, transform=top)


def _above(axes: Axes, rate: float, text: str, color: str, height: float) -> None:
    axes.annotate(
        text,
        (rate, height),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        color=color,
        fontsize="small",
        **WORDS,
    )


def _beside(axes: Axes, text: str, height: float, color: str) -> None:
    axes.annotate(
        text,
        (1.01, height),
        xycoords=("axes fraction", "data"),
        color=color,
        fontsize="small",
        verticalalignment="center",
        annotation_clip=False,
        **WORDS,
    )
