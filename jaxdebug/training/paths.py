"""Paths that a user gives, refused at the call where they are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def require_path(owner: str, name: str, path: Any, what: str) -> Path:
    """Refuse, in the name of `owner`, what is no path.

    Args:
        owner: what the user called.
        name: of its argument.
        path: what the user gave.
        what: what is to be given, in words.

    Raises:
        TypeError: if it is no path.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(
            f"{owner} expects {name} to be a path, of type str or pathlib.Path; found "
            f"{path!r:.60} of type {type(path).__name__}. Give {what}."
        )
    return Path(path)
