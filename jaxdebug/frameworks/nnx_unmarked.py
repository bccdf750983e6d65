"""Flax NNX: modules that were called in a trace and have no marks."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from flax import nnx

from jaxdebug.frameworks.nnx_marking import marked_call, own_class
from jaxdebug.programs._jax import source
from jaxdebug.programs._jax.ir import ClosedJaxpr


def unmarked_calls(jaxpr: ClosedJaxpr) -> list[str]:
    """Classes of modules whose calls made equations of a program without a mark.

    The frames of an equation show the calls it was traced in. Right around the
    method of a marked module is ours; a method of a parent's class is part of it.
    """
    classes = _by_code()
    found: dict[str, None] = {}
    for frames in source.traced_in(jaxpr):
        last: type | None = None
        is_marked = False
        for code in frames:
            cls = classes.get(code)
            if code is marked_call.__code__:
                is_marked = True
            elif cls is not None:
                if not is_marked and not (last and issubclass(last, cls)):
                    found[cls.__name__] = None
                last, is_marked = cls, False
    return list(found)


def _by_code() -> dict[CodeType, type]:
    """Every class of modules by the code of the `__call__` it defines."""
    found: dict[CodeType, type] = {}
    for cls in _subclasses(nnx.Module):
        method: Any = vars(cls).get("__call__")
        while hasattr(method, "__wrapped__"):
            method = method.__wrapped__
        if isinstance(method, FunctionType) and own_class(cls) is cls:
            found[method.__code__] = cls
    return found


def _subclasses(cls: type) -> Iterator[type]:
    for subclass in type.__subclasses__(cls):
        yield subclass
        yield from _subclasses(subclass)
