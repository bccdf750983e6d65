"""Which cases of a long list run every time; the rest run with the slow tests."""

from collections.abc import Iterable
from typing import Any

import pytest


def quick_cases(names: Iterable[Any], quick: Iterable[Any]) -> list[Any]:
    """Every name, marked slow unless it is one of the quick ones."""
    kept = set(quick)
    return [
        name if name in kept else pytest.param(name, marks=pytest.mark.slow)
        for name in names
    ]
