"""Names beside the ends of curves, in the place of a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.figures.canvas import WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART = 0.06
"""Of the height of the axes, that two names are apart."""


def labels_beside(axes: Axes, ends: Sequence[tuple[str, str, float, float]]) -> None:
    """Write names at the right edge, as high as their curves end, none over another.

    Args:
        axes: with all curves drawn.
        ends: name, colour and the last point of each curve.
    """
    if not ends:
        return
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)  # what is drawn later moves no name
    corner = axes.transData + axes.transAxes.inverted()
    heights = [corner.transform((x, y))[1] for _, _, x, y in ends]
    order = np.argsort(heights)
    placed = _spread(np.asarray(heights)[order])
    for at, height in zip(order, placed, strict=True):
        name, color, _, _ = ends[at]
        where: Any = (1.01, float(height))
        axes.annotate(
            name,
            where,
            xycoords="axes fraction",
            color=color,
            fontsize="small",
            verticalalignment="center",
            annotation_clip=False,
            **WORDS,
        )


def _spread(heights: np.ndarray) -> np.ndarray:
    """Rising heights, moved as little as keeps them apart."""
    least = np.arange(heights.size) * APART
    # The mean of a run that must be spread stays: those that touch move together.
    free = heights - least
    blocks: list[list[float]] = []
    for value in free:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = [float(np.mean(block)) for block in blocks for _ in block]
    return np.asarray(level) + least
