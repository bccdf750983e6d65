"""Histograms of the parameters, a row each, before and after some training."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from jaxdebug.figures.canvas import (
    BLUE,
    BROKEN,
    GREY,
    WORDS,
    new_figure,
    plain,
)
from jaxdebug.figures.rows import chosen_parameters, height_of, name_rows, without_root
from jaxdebug.frameworks import modules
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.places import is_inexact
from jaxdebug.reports import format_number
from jaxdebug.statistics.summary import summarize_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RANGE, BINS = 4.0, 81
"""Root mean squares to both sides of zero, and bins; a bin in the middle has zero."""

SAMPLED = 1 << 20
"""Elements of which a histogram is, at most: those of larger arrays are thinned."""

FEW = 40
"""Rows up to which there is room for higher ones."""

HEIGHT, SHADE = 0.9, 0.45
"""Of a row, that the highest bin takes; of the grey of a histogram."""


class _Histogram(NamedTuple):
    """Of one array."""

    rms: float
    nonfinite: int
    count: int
    outside: int
    shares: np.ndarray


def weight_histograms(
    params: Any,
    later: Any = None,
    *,
    order: Sequence[str] = (),
    title: str = "Parameters",
    words: Sequence[str] = ("at the start", "after training"),
) -> Figure:
    """Draw a histogram of each parameter, a row each.

    Values are in units of the parameter's root mean square at the start, so that shapes
    can be compared: a normal distribution looks alike in every row. The root mean
    square itself stands at the right, and how it changed; elements that are not finite
    are counted there and left out of the histogram.

    Args:
        params: a pytree of arrays, or an NNX or Equinox module; what is no inexact
            array is passed over.
        later: the same after some training, drawn as a line.
        order: paths of parameters, such as `Conv_0/kernel`, in the order of their
            rows; those that it leaves out come last. By default that of the pytree.
        title: what is seen.
        words: how the two are called.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if there is no inexact array, or `later` has others.

    Cost:
        Each array is copied to the host, one after the other.

    Limits:
        Of more than 100 parameters matrices and kernels are drawn, 100 evenly apart; of
        large arrays 2**20 elements evenly apart.

    Example:
        >>> import numpy as np
        >>> figure = weight_histograms({"w": np.linspace(-1, 1, 50), "b": np.zeros(3)})
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['b', 'w']
    """
    before = _leaves(params)
    if not before:
        raise ValueError(
            "weight_histograms expects a pytree with floating arrays; found none. Give "
            "the parameters of the model."
        )
    after = None if later is None else _leaves(later)
    forms = [_forms(one) for one in (before, after) if one is not None]
    if forms[0] != forms[-1]:
        raise ValueError(
            "weight_histograms expects later to have the arrays of params, of the same "
            f"names and shapes; found {_first_other(*forms)}."
        )
    places = {name: place for place, name in enumerate(order)}
    paths = sorted(before, key=lambda path: places.get("/".join(path), len(places)))
    kept, chosen = chosen_parameters(paths, lambda path: np.ndim(before[path]))
    figure = new_figure(8.5, height_of(len(kept), 0.32 if len(kept) <= FEW else 0.22))
    axes = figure.subplots()
    for row, path in enumerate(kept):
        unit = _unit(before[path], None if after is None else after[path])
        first = _histogram(before[path], unit)
        last = None if after is None else _histogram(after[path], unit)
        _draw(axes, row, first, last)
    axes.set_xlim(-RANGE, RANGE)
    _explain(axes, words if after is not None else words[:1])
    plain(
        axes,
        f"{title} {chosen}".rstrip() + "\n",
        xlabel=f"value / root mean square {words[0]}",
    )
    name_rows(axes, without_root(kept))
    return figure


def _leaves(tree: Any) -> dict[tuple[str, ...], Any]:
    taken = modules.split(tree)
    pairs = zip(path_names(taken), jax.tree.leaves(taken), strict=True)
    return {path: leaf for path, leaf in pairs if is_inexact(leaf) and leaf.size}


def _forms(leaves: dict[tuple[str, ...], Any]) -> dict[str, tuple[int, ...]]:
    return {"/".join(path): leaf.shape for path, leaf in leaves.items()}


def _first_other(one: Any, other: Any) -> str:
    for name in [*one, *other]:
        if one.get(name) != other.get(name):
            return f"{name!r} of {one.get(name)} in params, {other.get(name)} in later"
    return "another order"


def _unit(before: Any, after: Any) -> float:
    """The root mean square at the start; later, where all began at zero."""
    for array in (before, after):
        if array is not None:
            rms = float(summarize_array(_thinned(array))["rms"])
            if np.isfinite(rms) and rms > 0:
                return rms
    return 1.0


def _thinned(array: Any) -> np.ndarray:
    """Real numbers, so many of them at most, evenly apart and in step with no axis."""
    flat = np.asarray(array).reshape(-1)
    apart = max(1, -(-flat.size // SAMPLED))
    while apart > 1 and gcd(apart, flat.size) > 1:
        apart += 1
    flat = flat[::apart]
    return np.abs(flat) if np.iscomplexobj(flat) else flat.astype(np.float64)


def _histogram(array: Any, unit: float) -> _Histogram:
    flat = _thinned(array)
    numbers = summarize_array(flat)
    with np.errstate(over="ignore"):
        values = flat[np.isfinite(flat)] / unit
    counts, _ = np.histogram(values, BINS, (-RANGE, RANGE))
    return _Histogram(
        float(numbers["rms"]),
        int(numbers["nonfinite"]),
        flat.size,
        values.size - int(counts.sum()),
        counts / max(values.size, 1),
    )


def _draw(axes: Axes, row: int, first: _Histogram, last: _Histogram | None) -> None:
    edges = np.linspace(-RANGE, RANGE, BINS + 1)
    base = row + 0.45

    def top(one: _Histogram) -> np.ndarray:
        # Each to its own height: beside zeros alone all else would be flat.
        return base - HEIGHT * one.shares / (one.shares.max() or 1.0)

    looks: Any = {"fill": True, "color": GREY, "alpha": SHADE}
    axes.stairs(top(first), edges, baseline=base, **looks)
    if last is not None:
        axes.stairs(top(last), edges, baseline=base, color=BLUE)
    said = _said(first, last)
    broken = first.nonfinite or (last is not None and last.nonfinite)
    axes.annotate(
        said,
        (1.01, row),
        xycoords=("axes fraction", "data"),
        fontsize="x-small",
        color=BROKEN if broken else "0.3",
        verticalalignment="center",
        annotation_clip=False,
        **WORDS,
    )


def _said(first: _Histogram, last: _Histogram | None) -> str:
    """Root mean squares, and what the histogram does not show."""
    parts = [" → ".join(f"{one.rms:.2g}" for one in (first, last) if one is not None)]
    for one in (first, last):
        if one is not None and one.nonfinite:
            share = f"{format_number(one.nonfinite)} of {format_number(one.count)}"
            parts.append(f"{share} not finite")
            break
    shown = last or first
    if shown.outside:
        parts.append(f"{100 * shown.outside / shown.count:.2g} % outside")
    return ", ".join(parts)


def _explain(axes: Axes, words: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    looks: Any = ({"color": GREY, "alpha": SHADE}, {"fill": False, "edgecolor": BLUE})
    handles = [
        Patch(label=word, **look) for word, look in zip(words, looks, strict=False)
    ]
    axes.legend(
        handles=handles,
        ncols=2,
        fontsize="x-small",
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
    )
    axes.annotate(
        "root mean square",
        (1.01, 1.0),
        xytext=(0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize="x-small",
        color="0.3",
        verticalalignment="bottom",
    )
