"""What failed first, and its cause, from the outputs that are not finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.checks.nonfinite.carriers import Kind
from jaxdebug.checks.nonfinite.frames import Frame, Position
from jaxdebug.checks.nonfinite.origin import Sites
from jaxdebug.checks.nonfinite.trace_back import (
    MOST_ELEMENTS,
    Given,
    Made,
    Root,
    Written,
    infinities_behind,
    roots,
)

MOST_NAN = 3
"""Elements of each output that are followed if they are NaN."""

MOST_INFINITE = MOST_ELEMENTS[Kind.INFINITE]
"""The same if they are infinite."""


def is_meant(made: Made, sites: Sites) -> bool:
    """Whether an infinity is a mask: minus infinity, made of constants alone."""
    value = np.real(np.asarray(made.frame.value(made.atom))[made.element])
    return bool(value < 0) and sites.is_constant(made)


class Found(NamedTuple):
    """What was found behind the outputs that are not finite."""

    kind: Kind
    failed: Made | None = None
    cause: Made | None = None
    given: Given | None = None
    """An input that held it already: of what failed, the infinity behind it."""
    written: Written | None = None
    """The constant, if what failed is that a constant is read."""
    masked: bool = False
    """Whether all infinities behind it are constants."""
    benign: bool = False
    """Infinities that were meant: constants, masks, handed on from an input."""


class Start(NamedTuple):
    """A value to begin at."""

    frame: Frame
    atom: Any
    held: Any
    """As the compiled program gave it."""


def outputs_of(frame: Frame, outputs: Sequence[Any]) -> list[Start]:
    """The outputs of a program.

    Args:
        frame: of the whole program.
        outputs: as the compiled program gave them; None of what is not inexact.
    """
    pairs = zip(frame.jaxpr.jaxpr.outvars, outputs, strict=True)
    return [Start(frame, atom, held) for atom, held in pairs if held is not None]


def search(starts: Sequence[Start], sites: Sites) -> Found | None:
    """Follow values back; None if the frame's own are finite.

    Args:
        starts: the outputs, or others to begin at.
        sites: of the program.
    """
    nan = _positions(starts, Kind.NAN)
    if nan:
        return _of_nan(roots(nan, Kind.NAN), sites)
    infinite = _positions(starts, Kind.INFINITE)
    if infinite:
        return _of_infinities(roots(infinite, Kind.INFINITE), sites)
    return None


def _positions(starts: Sequence[Start], kind: Kind) -> list[Position]:
    """Elements to begin at."""
    found = []
    for frame, atom, held in starts:
        own = np.asarray(frame.value(atom))
        both = kind.held(np.asarray(held)) & kind.held(own)
        places = np.flatnonzero(both)
        if kind is Kind.NAN:
            chosen = _spread(places, MOST_NAN)
        else:
            flat = own.reshape(-1)[places]
            above = np.real(flat) > 0
            chosen = [
                *_spread(places[above], MOST_INFINITE // 2),
                *_spread(places[~above], MOST_INFINITE // 2),
            ]
        found += [
            Position(frame, atom, tuple(map(int, np.unravel_index(place, own.shape))))
            for place in chosen
        ]
    return found


def _spread(places: np.ndarray, most: int) -> list[int]:
    """The first of some elements, and others evenly among the rest."""
    if len(places) <= most:
        return [*map(int, places)]
    return [int(p) for p in places[np.linspace(0, len(places) - 1, most).astype(int)]]


def _of_nan(found: Sequence[Root], sites: Sites) -> Found:
    given = [root for root in found if isinstance(root, Given)]
    if given:
        return Found(Kind.NAN, given=min(given))
    made = [root for root in found if isinstance(root, Made)]
    readers = {
        root.reader: root
        for root in found
        if isinstance(root, Written) and root.reader is not None
    }
    every = [*made, *readers]
    if not every:
        written = next((root for root in found if isinstance(root, Written)), None)
        return Found(Kind.NAN, written=written)
    failed = min(every, key=lambda root: root.order)
    if failed in readers and failed not in made:
        return Found(Kind.NAN, failed, written=readers[failed])
    behind = roots(infinities_behind(failed), Kind.INFINITE)
    causes = [
        root for root in behind if isinstance(root, Made) and not is_meant(root, sites)
    ]
    inputs = [root for root in behind if isinstance(root, Given)]
    return Found(
        Kind.NAN,
        failed,
        min(causes, key=lambda root: root.order) if causes else None,
        min(inputs) if inputs and not causes else None,
        masked=bool(behind) and not causes and not inputs,
    )


def _of_infinities(found: Sequence[Root], sites: Sites) -> Found:
    made = [
        root for root in found if isinstance(root, Made) and not is_meant(root, sites)
    ]
    if made:
        return Found(Kind.INFINITE, min(made, key=lambda root: root.order))
    given = [root for root in found if isinstance(root, Given) and not root.moved]
    if given:
        return Found(Kind.INFINITE, given=min(given))
    return Found(Kind.INFINITE, benign=True)
