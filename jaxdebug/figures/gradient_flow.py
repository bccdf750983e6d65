"""How large the gradient is on its way back, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxdebug.figures.canvas import (
    BLUE,
    BROKEN,
    GREEN,
    GREY,
    WORDS,
    label_of,
    new_figure,
    plain,
)
from jaxdebug.figures.depth import Depth, layer_rows, parameter_rows
from jaxdebug.figures.rows import height_of, name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxdebug.checks.audits.report import AuditReport


def gradient_flow(report: AuditReport) -> Figure:
    """Draw the size of the gradient at each layer and parameter, inputs at the top.

    At the left the norm of the gradient by each layer's output (its cotangent): of
    layers that pass it on well it stays within a few powers of ten. At the right the
    norm of each parameter's gradient, relative to the parameter. Rows are in the
    order in which the program runs; layers of a scan are a row each.

    Args:
        report: of `jd.audit`.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        ImportError: if Matplotlib is not installed.
        TypeError: if it is no report of an audit.

    Limits:
        Of more than 100 layers the outermost are drawn, of more than 100 parameters
        matrices and kernels; of what is left, 100 rows evenly apart.

    Example:
        >>> import jax, jax.numpy as jnp, jaxdebug as jd
        >>> def loss(params, x):
        ...     with jax.named_scope("dense"):
        ...         h = x @ params["dense"]
        ...     return jnp.mean(jnp.tanh(h) ** 2)
        >>> report = jd.audit(loss)({"dense": jnp.ones((3, 2))}, jnp.ones((4, 3)))
        >>> figure = gradient_flow(report)
        >>> [text.get_text() for text in figure.axes[1].get_yticklabels()]
        ['dense']
    """
    if not hasattr(report, "layers") or not hasattr(report, "leaves"):
        raise TypeError(
            f"gradient_flow expects the report of an audit; found "
            f"{type(report).__name__}. Write gradient_flow(jd.audit(loss)(params, "
            "batch))."
        )
    layers, parameters = layer_rows(report), parameter_rows(report)
    most = max(len(layers.rows), len(parameters.rows))
    figure = new_figure(11.0, height_of(most))
    figure.suptitle(
        f"Gradient flow in {label_of(report.name)}: inputs at the top, loss at the "
        "bottom",
        fontsize="medium",
        **WORDS,
    )
    left, right = figure.subplots(1, 2)
    _draw(left, layers, BLUE)
    plain(
        left,
        f"Gradient by each layer's output{layers.chosen}",
        xlabel="norm of the cotangent",
    )
    _draw(right, parameters, GREEN)
    plain(
        right,
        f"Gradient by each parameter{parameters.chosen}",
        xlabel="norm of the gradient / norm of the parameter",
    )
    for axes, depth in ((left, layers), (right, parameters)):
        name_rows(axes, [row.name for row in depth.rows])
    return figure


DRAWN = (1e-100, 1e100)
"""Beyond these Matplotlib finds no ticks for a logarithmic axis."""


class _Mark(NamedTuple):
    """How rows without a magnitude are marked, at an edge of the axes."""

    text: str
    shape: str
    color: str
    edge: float


_MARKS = {
    "zero": _Mark("gradient is 0", "v", GREY, 0.0),
    "unsized": _Mark("parameter is 0", ">", GREY, 1.0),
    "broken": _Mark("holds what is not finite", "x", BROKEN, 0.97),
}


def _draw(axes: Axes, depth: Depth, color: str) -> None:
    """Magnitudes of the rows as points, and what has none at the edges."""
    rows = depth.rows
    sized = [(at, row.size) for at, row in enumerate(rows) if row.state != "zero"]
    sized = [(at, size) for at, size in sized if np.isfinite(size) and size > 0]
    if sized:
        axes.set_xscale("log")
        heights, sizes = zip(*sized, strict=True)
        sizes = np.clip(sizes, *DRAWN)
        _whole_decades(axes, sizes)
        axes.plot(sizes, heights, "-", color=color, alpha=0.3, linewidth=1)
        axes.plot(sizes, heights, "o", color=color, markersize=4)
    for state, mark in _MARKS.items():
        marked = [at for at, row in enumerate(rows) if row.state == state]
        if marked:
            axes.plot(
                np.full(len(marked), mark.edge),
                marked,
                mark.shape,
                color=mark.color,
                markersize=5,
                transform=axes.get_yaxis_transform(),
                clip_on=False,
                label=mark.text,
            )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="x-small", frameon=False, loc="best")


def _whole_decades(axes: Axes, sizes: np.ndarray) -> None:
    """From a power of ten to another, so that rounding does not look like a slope."""
    low = np.floor(np.log10(sizes.min()) - 0.05)
    high = np.ceil(np.log10(sizes.max()) + 0.05)
    axes.set_xlim(10.0**low, 10.0**high)
    axes.xaxis.set_minor_formatter("")
