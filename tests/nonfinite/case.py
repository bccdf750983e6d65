"""Programs that make NaN or infinities, each with what is to be said of it.

The lines that failed and that are the cause carry a comment: `# failed`, `# cause`, or
`# failed and cause`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A program and its origin."""

    name: str
    function: Callable[..., Any]
    args: Callable[[], tuple[Any, ...]]
    primitive: str
    """That failed; several spellings are separated by a space."""
    cause: str
    """That made the infinity behind it, or empty."""
    direction: str
    cause_direction: str
    iteration: tuple[int, ...]
    cause_iteration: tuple[int, ...]
    kind: str
    given: str
    """Name of the input that held it already, or empty."""
    reason: str
    """Words that the reason of the failure, or of the cause, holds."""
    layer: str
    lines: dict[str, str]
    """`file:line` of what failed and of the cause."""


class Cases(dict[str, Case]):
    """Cases by name, registered by decorating the function with the comments."""

    def add(
        self,
        primitive: str = "",
        *args: Any,
        cause: str = "",
        through: Callable[[Any], Any] = lambda function: function,
        direction: str = "forward",
        cause_direction: str = "forward",
        iteration: tuple[int, ...] = (),
        cause_iteration: tuple[int, ...] = (),
        kind: str = "nan",
        given: str = "",
        reason: str = "",
        layer: str = "",
        source: Any = None,
        make: Callable[[], tuple[Any, ...]] | None = None,
    ) -> Callable[[Any], Any]:
        """Register a function.

        Args:
            primitive: that fails.
            *args: the arguments, as NumPy arrays.
            cause: primitive that made the infinity behind it.
            through: makes the program of the function, as `jax.grad` does.
            direction: of what fails.
            cause_direction: of the cause.
            iteration: of the loops around what fails.
            cause_iteration: of those around the cause.
            kind: `nan` or `inf`.
            given: name of the input that held it already.
            reason: words of the reason.
            layer: end of the module path of what fails.
            source: where the comments are, if not in the function.
            make: makes the arguments, where they are no plain arrays.
        """

        def register(function: Any) -> Any:
            name = function.__name__
            assert name not in self
            self[name] = Case(
                name,
                through(function),
                make or (lambda: args),
                primitive,
                cause,
                direction,
                cause_direction,
                iteration,
                cause_iteration,
                kind,
                given,
                reason,
                layer,
                marked_lines(source or function),
            )
            return function

        return register


def marked_lines(source: Any) -> dict[str, str]:
    """The lines of a function or class that carry a comment on the origin."""
    lines, first = inspect.getsourcelines(source)
    file = Path(inspect.getsourcefile(source) or "").resolve()
    found = {}
    for number, line in enumerate(lines, first):
        _, _, comment = line.partition("  # ")
        for word in ("failed", "cause"):
            if word in comment.split():
                found[word] = f"{file}:{number}"
    return found
