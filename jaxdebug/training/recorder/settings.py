"""What `watch` may be told, refused at its call and not in the midst of a training."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from operator import index
from typing import Any

import numpy as np

from jaxdebug.training.sinks.sink import Sink


def require_number(name: str, value: Any, least: int, what: str, give: str) -> int:
    """Refuse what is no whole number from some number on.

    Args:
        name: of the argument.
        value: what the user gave.
        least: the smallest that it may be.
        what: it is the number of.
        give: what to write.

    Raises:
        TypeError: if it is no whole number.
        ValueError: if it is a smaller one.
    """
    found = None
    if not isinstance(value, bool):
        with suppress(TypeError):
            found = index(value)
    if found is not None and found >= least:
        return found
    kind = TypeError if found is None else ValueError
    raise kind(
        f"watch expects {name} to be a number of {what}, a whole number from {least} "
        f"on; found {_shown(value)}. {give}"
    )


def require_flag(name: str, value: Any) -> bool:
    """Refuse what is neither true nor false.

    Raises:
        TypeError: if it is something else.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"watch expects {name} to be True or False; found {_shown(value)}. Write "
            f"{name}=True or {name}=False."
        )
    return bool(value)


def require_sinks(sinks: Any) -> tuple[Sink, ...]:
    """Refuse what cannot be written to.

    Raises:
        TypeError: if it is no sequence of objects with the methods of a sink.
    """
    methods = [name for name in vars(Sink) if not name.startswith("_")]
    several = isinstance(sinks, Iterable) and not isinstance(sinks, str | bytes)
    found: tuple[Any, ...] = tuple(sinks) if several else (sinks,)
    for sink in found:
        lacks = [name for name in methods if not callable(getattr(sink, name, None))]
        if isinstance(sink, type) or lacks or not several:
            why = f", which lacks {', '.join(lacks)}" if lacks else ""
            why = ", a class that is not called" if isinstance(sink, type) else why
            raise TypeError(
                "watch expects sinks to be a sequence of objects with the methods of "
                f"jaxdebug.training.sinks.Sink; found {_shown(sink)}{why}. Give one "
                "such as sinks=[jaxdebug.training.sinks.JsonLines('run.jsonl')]."
            )
    return found


def _shown(value: Any) -> str:
    return f"{value!r:.60} of type {type(value).__name__}"
