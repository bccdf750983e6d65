"""What a function of Python reads besides its arguments: by which names, and where."""

from __future__ import annotations

from collections.abc import Iterator
from types import CellType, CodeType, FunctionType


def full_cells(function: FunctionType) -> list[tuple[str, CellType]]:
    """Variables of outer functions, by name; not those that have no value yet."""
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    return [(n, cell) for n, cell in zip(names, cells, strict=True) if _is_full(cell)]


def global_names(function: FunctionType) -> list[str]:
    """Names that it, and the functions inside it, look up in its module, each once."""
    scope = function.__globals__
    names = dict.fromkeys(_looked_up(function.__code__))
    return [name for name in names if name in scope]


def _is_full(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # the variable has no value yet
        return False
    return True


def _looked_up(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _looked_up(constant)
