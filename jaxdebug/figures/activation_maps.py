"""What convolutional layers make of one example, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.figures.canvas import WORDS, label_of, new_figure
from jaxdebug.figures.rows import spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LAYERS, MOST_CHANNELS = 24, 12
"""That are drawn, so that there is something to see in each."""

INCHES = 0.75
"""Of the side of a map."""

GAP, PIXELS = 0.08, 48
"""Between two maps, of their width; how many pixels a map is wide at least."""

COLORS = "RdBu_r"
NOT_FINITE = (0.0, 0.0, 0.0, 1.0)


def activation_maps(
    maps: Mapping[str, Any], *, title: str = "Activation maps of one example"
) -> Figure:
    """Draw the first channels of each layer, red above zero and blue below.

    All channels of a layer have one scale, the largest magnitude among them, which
    stands beside its name. What is not finite is black. A channel that has one value
    everywhere says nothing of the example: how many there are is said too.

    Args:
        maps: arrays of (rows, columns, channels) by the name of the layer, in the
            order of the program. `jd.probe(fn, statistics="maps")` measures them.
        title: what is seen.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if there is no map, or one that is not of three axes.

    Limits:
        Of more than 24 layers 24 evenly apart are drawn, of a layer 12 channels.

    Example:
        >>> import numpy as np
        >>> figure = activation_maps({"Conv_0": np.ones((8, 8, 3))})
        >>> figure.axes[0].get_title(loc="left")
        'Conv_0: 8 by 8, 3 channels, all 3 constant, to ±1'
    """
    arrays = {name: _require_map(name, array) for name, array in maps.items()}
    if not arrays:
        raise ValueError(
            "activation_maps expects at least one layer; found none. Give arrays of "
            "(rows, columns, channels) by the name of their layer."
        )
    kept = spaced([*arrays], MOST_LAYERS)
    widest = max(min(arrays[name].shape[-1], MOST_CHANNELS) for name in kept)
    heights = [_height(arrays[name]) for name in kept]
    figure = new_figure(
        max(6.0, 0.4 + INCHES * widest), 0.35 + sum(h + 0.2 for h in heights)
    )
    grid = figure.subplots(len(kept), 1, squeeze=False, height_ratios=heights)
    for axes, name in zip(grid[:, 0], kept, strict=True):
        image = _side_by_side(arrays[name])
        axes.imshow(image, interpolation="nearest", origin="upper", aspect="equal")
        axes.set_xlim(-0.5, _width(arrays[name]) * widest - 0.5)
        axes.set_anchor("NW")
        axes.set_axis_off()
        axes.set_title(
            f"{label_of(name)}: {_said(arrays[name])}",
            loc="left",
            fontsize="x-small",
            pad=2,
            **WORDS,
        )
    few = f" ({len(kept)} of {len(arrays)} layers)" if len(kept) < len(arrays) else ""
    figure.suptitle(f"{title}{few}", fontsize="medium", x=0.01, ha="left", **WORDS)
    return figure


def _require_map(name: str, array: Any) -> np.ndarray:
    found = np.asarray(array)
    if found.ndim != 3 or not found.size or found.dtype.kind not in "fiub":
        raise ValueError(
            f"activation_maps: expected real numbers for {name!r}, of shape (rows, "
            f"columns, channels); found {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.float64)


def _scale(array: np.ndarray) -> int:
    """Pixels of a value, so that the gap of a small map is no larger than of others."""
    return -(-PIXELS // array.shape[1])


def _width(array: np.ndarray) -> int:
    """Of a map and its gap, in pixels."""
    return round((1 + GAP) * array.shape[1] * _scale(array))


def _height(array: np.ndarray) -> float:
    """Of a map, in inches."""
    rows, columns, _ = array.shape
    return INCHES * float(np.clip(rows / columns, 0.25, 4.0))


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def _said(array: np.ndarray) -> str:
    rows, columns, channels = array.shape
    finite = np.isfinite(array)
    constant = int((array == array[0, 0]).all((0, 1)).sum())
    few = f"first {MOST_CHANNELS} of " if channels > MOST_CHANNELS else ""
    parts = [f"{rows} by {columns}, {few}{channels} channel{'s' * (channels > 1)}"]
    if constant:
        all_ = "all " if constant == channels else ""
        parts.append(f"{all_}{constant} constant")
    if not finite.all():
        parts.append(f"{int((~finite).sum())} not finite (black)")
    return ", ".join([*parts, f"to ±{_largest(array):.3g}"])


def _side_by_side(array: np.ndarray) -> np.ndarray:
    """The first maps as colours, with a gap between them that shows the paper."""
    from matplotlib import colormaps

    rows, columns, channels = array.shape
    count, width, scale = min(channels, MOST_CHANNELS), _width(array), _scale(array)
    image = np.zeros((rows * scale, width * count, 4))
    largest = _largest(array) or 1.0
    for place in range(count):
        own = array[:, :, place]
        finite = np.isfinite(own)
        colors = np.asarray(
            colormaps[COLORS](np.where(finite, own, 0) / largest / 2 + 0.5)
        )
        colors[~finite] = NOT_FINITE
        start, large = place * width, colors.repeat(scale, 0).repeat(scale, 1)
        image[:, start : start + columns * scale] = large
    return image
