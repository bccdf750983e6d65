"""What is known of a leaf before it is judged: by the program, and by differences."""

from __future__ import annotations

from typing import NamedTuple

from jaxdebug.gradients.kinks import Point


class Leaf(NamedTuple):
    """A leaf that is differentiated by."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    wrong: tuple[str, ...]
    """Rules it goes through that are wrong."""
    meant: bool
    """Whether it goes through a rule that is meant to differ."""
    cut: bool
    """Whether a stop_gradient lies on its way."""
    iterates: bool
    """Whether it goes through a loop that stops at a tolerance."""
    kinked: bool
    """Whether a custom rule on its way may lawfully differ from its function."""
    rounding: float = 0.0
    """Of primitives that keep their native dtype, relative to the largest element."""
    within: float = 0.0
    """The largest gap of a rule on its way that counts as agreement."""
    cancels: bool = False
    """Whether it goes through a call whose own derivative is nothing but rounding."""


class Seen(NamedTuple):
    """What differences say of a leaf: near the point, and at it if that was asked."""

    near: Point
    given: Point | None = None
    plain: Point | None = None
    """Near it, where nothing is held still; None if nothing was."""
    direction: int = 0
    """Along which."""
