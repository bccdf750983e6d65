"""What is written in a figure."""

from __future__ import annotations

from typing import Any


def texts_of(figure: Any) -> list[str]:
    """Every text that is drawn, in no order."""
    from matplotlib.text import Text

    found = (text.get_text() for text in figure.findobj(Text) if text.get_visible())
    return [text for text in found if text]


def row_names(axes: Any) -> list[str]:
    """Of the rows, from the top."""
    return [text.get_text() for text in axes.get_yticklabels()]
