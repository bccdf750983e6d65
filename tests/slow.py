"""Which cases of a long list run every time, which once a change, which rarely."""

from collections.abc import Iterable
from typing import Any

import pytest


def quick_cases(
    names: Iterable[Any], quick: Iterable[Any], *, slice_of: int = 3
) -> list[Any]:
    """Every name, marked slow unless it is one of the quick ones.

    Args:
        names: the whole list; a tuple is the arguments of one case.
        quick: those that run every time.
        slice_of: of the others only one in so many is slow, the rest run with
            `pytest -m acceptance`.
    """
    kept = set(quick)
    rest = [name for name in names if name not in kept]
    slow = set(rest[::slice_of])
    return [
        name
        if name in kept
        else pytest.param(
            *(name if isinstance(name, tuple) else (name,)),
            marks=pytest.mark.slow if name in slow else pytest.mark.acceptance,
        )
        for name in names
    ]
