"""A folder of figures, refused before anything is computed where it can hold none."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from jaxdebug.figures.canvas import require_matplotlib
from jaxdebug.reports import show_name
from jaxdebug.reports.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def require_folder(owner: str, folder: Any) -> Path:
    """Make the folder if there is none, and see that figures can be written into it.

    Args:
        owner: what the user called.
        folder: what the user gave.

    Raises:
        TypeError: if it is no path.
        OSError: if it is a file, cannot be made, or cannot be written into.
        ImportError: if Matplotlib is not installed.
    """
    if not isinstance(folder, str | os.PathLike) or isinstance(
        os.fspath(folder), bytes
    ):
        raise TypeError(
            f"{owner} expects figures to be a path, of type str or pathlib.Path; found "
            f"{folder!r:.60} of type {type(folder).__name__}. Give a folder."
        )
    require_matplotlib()
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        why = "a file" if path.is_file() else error.strerror or str(error)
        raise type(error)(
            f"{owner} expects a folder that can be written into; found "
            f"{why}: {show_name(str(path))}. Give another folder."
        ) from None
    return path


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Args:
        figure: of Matplotlib.
        path: that ends in `.png`, in a folder that exists.

    Raises:
        OSError: if it cannot be written.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    write_whole(path, drawn.getvalue())
