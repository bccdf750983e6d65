"""A step that is compiled again at every call, and the argument that is to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jaxdebug.findings import Finding, found
from jaxdebug.frameworks.signatures import Change, Signature, call_signature, changed
from jaxdebug.programs._jax.compilations import count_programs
from jaxdebug.training.recorder.arguments import Call

VALUES, SIZES = 6, 24
"""Calls in a row that are compiled, before it is told: where a value changes that may
take any number of values, and where sizes do, which may be a few that come again."""

KNOWN = 64
"""Signatures that are remembered."""


class Compilations:
    """Counts how often a step is compiled.

    Args:
        function: the user's step.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._count = count_programs(function)
        self._size = self._count() if self._count is not None else 0
        self._known: list[Signature] = []
        self._last = -1
        self._row: list[Change] = []
        self._in_a_row = 0
        self._told = False

    def findings(self, step: int, call: Call) -> Iterator[Finding]:
        """What is to be said after a call.

        Args:
            step: its number.
            call: its arguments.
        """
        if self._count is None or self._told:
            return
        size = self._count()
        if size == self._size:
            return
        self._size = size
        self._in_a_row = self._in_a_row + 1 if step == self._last + 1 else 1
        self._last = step
        signature = call_signature(self._function, *call)
        change = changed(signature, self._known)
        self._known = [*self._known[1 - KNOWN :], signature]
        if change is None:  # the first call, or another placement of the same arrays
            return
        self._row = [*self._row[1 - SIZES :], change] if self._in_a_row > 1 else []
        same = [c for c in self._row if c.argument == change.argument]
        if len(same) >= (SIZES if change.is_size else VALUES):
            self._told = True
            yield _finding(step, change, len(same), size)


def _finding(step: int, change: Change, count: int, size: int) -> Finding:
    return found(
        "compiled-every-step",
        change.argument,
        f"each of {count + 1} calls up to step {step} compiled the step anew: "
        f"{change.argument} {change.what}",
        evidence={"step": step, "in_a_row": count + 1, "programs": size},
    )
