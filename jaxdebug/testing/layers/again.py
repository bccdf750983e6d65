"""A line that tries one property again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxdebug.testing.layers.shown import as_python

PLAIN = (bool, int, float, str, type(None))


class Again(NamedTuple):
    """How a check was called, to call it again."""

    check: Callable[..., Any]
    """The public function."""
    subject: str
    """How what is tried is written."""
    inputs: Callable[[Sequence[str]], str]
    """Of the inputs as Python: these as arguments of the check."""
    given: Mapping[str, Any]
    """Arguments that inputs stand for, as they were given."""
    settings: Mapping[str, Any]
    """Further arguments as they were given; those of the default are not written."""

    def line(self, name: str, seed: int, args: Sequence[Any] | None) -> str:
        """A call that fails again.

        Args:
            name: of the property.
            seed: of the examples.
            args: inputs at which it fails, as arrays. None if it takes those that
                were drawn: the same ones are drawn again.
        """
        texts = [as_python(arg) for arg in args or ()]
        inputs = (
            self.inputs(texts) if texts and all(texts) else self._written(self.given)
        )
        parts = (self.subject, inputs, f"only=[{name!r}]", self._written(self.settings))
        words = ", ".join(filter(None, (*parts, f"seed={seed}")))
        return f"testing.{self.check.__name__}({words})"

    def _written(self, arguments: Mapping[str, Any]) -> str:
        """Arguments; those that are no numbers or words stand by their name."""
        known = inspect.signature(self.check).parameters
        said = (
            f"{name}={repr(value) if is_plain(value) else name}"
            for name, value in arguments.items()
            if not (is_plain(value) and value == known[name].default)
        )
        return ", ".join(said)


def one_or_tuple(texts: Sequence[str]) -> str:
    """Inputs as one argument."""
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def is_plain(value: Any) -> bool:
    """Whether its `repr` is Python that makes it."""
    if type(value) in (tuple, list):
        return all(map(is_plain, value))
    return type(value) in PLAIN
