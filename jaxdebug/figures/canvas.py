"""Figures without pyplot: nothing global is read or changed, no window is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxdebug.reports import show_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9")
"""Of Okabe and Ito, told apart also by those who do not see red or green."""

GREY = "#777777"
BROKEN = "black"
"""Of what is not finite; its marks have a shape of their own besides."""

LONGEST_NAME = 40
WIDTH = 8.0


def require_matplotlib() -> None:
    """Refuse to draw without Matplotlib.

    Raises:
        ImportError: if it is not installed; says how to install it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise ImportError(
            'figures need Matplotlib: pip install "jaxdebug[plot]"'
        ) from None


def new_figure(width: float = WIDTH, height: float = 4.5) -> Figure:
    """An empty figure of a size in inches."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=120, layout="constrained")


def axes_for(axes: Axes | None) -> Axes:
    """The axes that were given, or those of a new figure."""
    return new_figure().subplots() if axes is None else axes


def figure_of(axes: Axes) -> Figure:
    """The whole figure that axes are in."""
    figure: Any = axes.get_figure(root=True)
    return figure


def plain(axes: Axes, title: str, **labels: str) -> None:
    """A title, labels of the axes, and no frame that says nothing.

    Args:
        axes: to be drawn in.
        title: what is seen.
        labels: `xlabel`, `ylabel`.
    """
    axes.set_title(title, loc="left", fontsize="medium", **WORDS)
    for name, text in labels.items():
        getattr(axes, f"set_{name}")(text, **WORDS)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


WORDS: Any = {"parse_math": False, "usetex": False}
"""How every text is set that may hold a name: a dollar in it begins no formula."""


def label_of(name: str, limit: int = LONGEST_NAME) -> str:
    """A name as it stands in a figure, whatever fonts there are."""
    return show_name(name, limit=limit, ascii_only=True)
