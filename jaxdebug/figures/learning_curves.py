"""Learning curves: losses, or any numbers of a training, over its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.figures.arrays import require_pairs
from jaxdebug.figures.canvas import (
    BROKEN,
    COLORS,
    WORDS,
    axes_for,
    figure_of,
    label_of,
    plain,
)
from jaxdebug.figures.labels import labels_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 40
"""Points that are marked one by one."""

LINE = 0.05
"""Of the height of the axes, that a line of words takes."""

DECADE = 10.0
"""A range from which on the axis is logarithmic."""


def learning_curves(
    curves: Mapping[str, tuple[Any, Any]],
    *,
    title: str = "Learning curves",
    value: str = "loss",
    axes: Axes | None = None,
) -> Figure:
    """Draw curves over the steps of a training, each with its name at its end.

    The axis is logarithmic where all values are positive and span a decade. Values that
    are not finite are marked at the upper edge.

    Args:
        curves: steps and values by name, such as `run.scalars` of `jd.load_run`.
        title: what is seen.
        value: what the values are, with their unit if they have one.
        axes: of Matplotlib, to draw in; by default those of a new figure.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if there is no curve, or a curve's steps and values are no two
            arrays of one size.

    Example:
        >>> figure = learning_curves({"train": ([0, 1, 2], [2.0, 1.0, 0.5])})
        >>> [line.get_ydata().tolist() for line in figure.axes[0].lines]
        [[2.0, 1.0, 0.5]]
    """
    pairs = {name: require_pairs(f"curve {name!r}", *c) for name, c in curves.items()}
    if not pairs:
        raise ValueError(
            "learning_curves expects at least one curve; found none. Give "
            "{'train': (steps, losses)}."
        )
    drawn = axes_for(axes)
    values = np.concatenate([values for _, values in pairs.values()])
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and finite.max() >= DECADE * finite.min():
        drawn.set_yscale("log")
    ends, broken = [], {}
    for number, (name, (steps, values)) in enumerate(pairs.items()):
        color = COLORS[number % len(COLORS)]
        drawn.plot(
            steps,
            np.where(np.isfinite(values), values, np.nan),
            color=color,
            linestyle=("-", "--", "-.", ":")[number // len(COLORS) % 4],
            marker="o" if steps.size <= FEW else None,
            markersize=3,
            linewidth=1.4,
        )
        known = np.flatnonzero(np.isfinite(values))
        if known.size:
            end = steps[known[-1]], values[known[-1]]
            ends.append((label_of(name), color, *end))
        if known.size < steps.size:
            broken[name] = steps[~np.isfinite(values)]
    plain(drawn, title, xlabel="step", ylabel=value)
    labels_beside(drawn, ends)
    for line, (name, steps) in enumerate(broken.items()):
        _mark_broken(drawn, steps, name, line)
    return figure_of(drawn)


def _mark_broken(axes: Axes, steps: np.ndarray, name: str, line: int) -> None:
    top = axes.get_xaxis_transform()
    axes.plot(
        steps,
        np.full(steps.size, 1.0 - LINE / 2),
        "x",
        color=BROKEN,
        transform=top,
        markersize=5,
        markevery=max(1, steps.size // FEW),
    )
    low, high = axes.get_xlim()
    axes.annotate(
        f"{label_of(name)}: not finite from step {steps[0]:g}",
        (float(steps[0]), 1.0 - LINE * (line + 1)),
        xycoords=top,
        color=BROKEN,
        fontsize="small",
        verticalalignment="top",
        horizontalalignment="left" if 2 * steps[0] < low + high else "right",
        **WORDS,
    )
