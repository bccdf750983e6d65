"""How rules read what was measured at sites: NumPy numbers, iterations in front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

Numbers = Mapping[str, Any]
Measured = Sequence[tuple["Site", Numbers]]
"""Sites in the order of the program, each with its summary."""


def of_kind(measured: Measured, *kinds: str) -> Iterator[tuple[Site, Numbers]]:
    """The sites of these kinds, in order."""
    return ((site, numbers) for site, numbers in measured if site.kind in kinds)


def parameters(measured: Measured) -> list[tuple[Site, Numbers]]:
    """Parameters; of a function that is no train step, inputs with a gradient."""
    trained = {site.path for site, _ in of_kind(measured, "gradient")}
    return [
        (site, numbers)
        for site, numbers in of_kind(measured, "parameter", "input")
        if site.kind == "parameter" or site.path in trained
    ]


def whole(numbers: Numbers, name: str) -> int:
    """A count over all iterations; 0 if it was not measured."""
    # Most sites have one number: `np.sum` of it takes ten times as long.
    count = numbers.get(name, 0)
    return int(np.sum(count) if np.ndim(count) else count)


def largest(numbers: Numbers) -> float:
    """The largest finite magnitude over all iterations."""
    size = numbers["max"]
    return float(np.max(size, initial=0.0) if np.ndim(size) else max(size, 0.0))


def is_zero(numbers: Numbers) -> bool:
    """Whether there are elements and all of them are exactly zero."""
    return (
        whole(numbers, "count") > 0
        and not whole(numbers, "nonfinite")
        and largest(numbers) == 0
    )


def size_of(numbers: Numbers) -> float:
    """The root mean square over all iterations; NaN where nothing is finite."""
    if not np.ndim(numbers["rms"]):
        return float(numbers["rms"]) if numbers["count"] > 0 else float("nan")
    counts = np.asarray(numbers["count"], np.float64).ravel()
    rms = np.asarray(numbers["rms"], np.float64).ravel()
    measured = np.isfinite(rms) & (counts > 0)
    if not measured.any():
        return float("nan")
    top = rms[measured].max()
    if top == 0:
        return 0.0
    squares = (rms[measured] / top) ** 2
    return float(top * np.sqrt(np.average(squares, weights=counts[measured])))


def at(site: Site) -> str:
    """The user's line of a site, to stand behind its name."""
    return f" at {site.line}" if site.line else ""


def scanned_layers(measured: Measured) -> set[tuple[str, ...]]:
    """Paths of the modules that a scan runs over, one layer for each iteration.

    The parameters of such a scan are stacked: every leaf under the module's name
    has the iterations as its first axis. A scan over time has the same parameters
    in all iterations.
    """
    shapes = {
        leaf.path: leaf.shape
        for leaf, _ in of_kind(measured, "parameter", "input", "gradient")
    }
    found = set()
    for site, numbers in measured:
        rows = np.shape(numbers.get("rms", numbers.get("examples", 0)))
        if len(rows) != 1 or rows[0] < 2:
            continue
        own = [shapes[path] for path in _leaves_of(site.path, tuple(shapes))]
        if own and all(len(shape) > 1 and shape[0] == rows[0] for shape in own):
            found.add(site.path)
    return found


def _leaves_of(
    module: tuple[str, ...], leaves: tuple[tuple[str, ...], ...]
) -> list[tuple[str, ...]]:
    """The leaves whose path holds the longest tail of the module's path."""
    for start in range(len(module)):
        tail = module[start:]
        holding = [leaf for leaf in leaves if _holds(leaf, tail)]
        if holding:
            return holding
    return []


def _holds(path: tuple[str, ...], part: tuple[str, ...]) -> bool:
    return any(
        path[first : first + len(part)] == part
        for first in range(len(path) - len(part) + 1)
    )
