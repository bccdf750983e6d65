"""An exception of the user's own code, shown without the frames that are not theirs."""

import os
import sysconfig
import traceback
from importlib.util import find_spec
from pathlib import Path

from jaxdebug.reports.literal import escape

_PACKAGE = Path(__file__).resolve().parents[1]
_HIDDEN_LIBRARIES = ("jax", "jaxlib", "flax")


def user_traceback(error: BaseException) -> str:
    """Return the traceback of an exception with only the frames a user can act on.

    Frames inside jaxdebug, JAX, Flax and Python's import machinery are left out, of
    the exception and of its causes. An exception that no file of the user's took part
    in is shown whole: then the frames are all there is to go by.

    Args:
        error: the exception, with its traceback.

    Returns:
        The text Python would print, control characters escaped.
    """
    shown = traceback.TracebackException.from_exception(error, compact=True)
    hidden = _hidden_folders()
    if not isinstance(error, SyntaxError) and not any(
        _is_users(frame.filename, hidden) for frame in shown.stack
    ):
        return escape_lines("".join(shown.format())).rstrip("\n")
    _hide(shown, hidden)
    return escape_lines("".join(shown.format())).rstrip("\n")


def user_line(error: BaseException) -> str | None:
    """The innermost `file:line` of the user's own that an exception came through."""
    hidden = _hidden_folders()
    line = None
    while error is not None and line is None:
        for frame in traceback.extract_tb(error.__traceback__):
            if _is_users(frame.filename, hidden):
                line = f"{frame.filename}:{frame.lineno}"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return line


def escape_lines(text: str) -> str:
    r"""Spell out the control characters of a text of several lines.

    Args:
        text: any text, such as a traceback, whose parts others may have chosen.

    Returns:
        The text, which a terminal now shows and does not obey; line ends stay.

    Example:
        >>> print(escape_lines("red:\n\x1b[31m"))
        red:
        \x1b[31m
    """
    return "\n".join(escape(line) for line in text.expandtabs().split("\n"))


def _hidden_folders() -> tuple[str, ...]:
    folders = [str(_PACKAGE)]
    for library in _HIDDEN_LIBRARIES:
        spec = find_spec(library)
        if spec is not None:
            folders += spec.submodule_search_locations or ()
    return tuple(os.path.realpath(folder) + os.sep for folder in folders)


def _is_hidden(filename: str, hidden: tuple[str, ...]) -> bool:
    if filename.startswith("<frozen importlib"):
        return True
    return os.path.realpath(filename).startswith(hidden)


def _is_users(filename: str, hidden: tuple[str, ...]) -> bool:
    if filename.startswith("<") or _is_hidden(filename, hidden):
        return False
    libraries = {
        os.path.realpath(sysconfig.get_path(name)) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    return not os.path.realpath(filename).startswith(tuple(libraries))


def _hide(shown: traceback.TracebackException, hidden: tuple[str, ...]) -> None:
    pending = [shown]
    while pending:
        part = pending.pop()
        part.stack[:] = [
            frame for frame in part.stack if not _is_hidden(frame.filename, hidden)
        ]
        pending += [
            linked
            for linked in (part.__cause__, part.__context__)
            if linked is not None
        ]
        pending += part.exceptions or ()
