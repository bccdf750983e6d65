"""Chains: layers of one kind at growing depth, by their numbers or their order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxdebug.findings.pages.depth import ERRORS

if TYPE_CHECKING:
    from jaxdebug.programs.places import Site

ModulePath = tuple[str, ...]
Pattern = tuple[ModulePath, str, str]
"""The path above a numbered name, and the name before and after its number."""

_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$", re.DOTALL)


class Link(NamedTuple):
    """One layer of a chain."""

    name: str
    site: Site
    value: float
    """A magnitude, positive."""


class Slope(NamedTuple):
    """A straight line through the logarithms of a chain's magnitudes."""

    slope: float
    """Powers of ten a layer."""
    error: float
    """Standard error of the slope, robust to layers that scatter unequally."""
    change: float
    """Powers of ten from the first layer to the last, by the line."""
    bound: float
    """The change nearer to zero by as many errors as the rules ask for."""
    steady: float
    """The change if every step were the median one: small where one layer makes it."""


def numbered_chains(magnitudes: Iterable[tuple[Site, float]]) -> list[list[Link]]:
    """Sites whose paths differ in one number, in the order of that number.

    Args:
        magnitudes: sites of one kind with a magnitude each; those without a
            positive finite one are left out.

    Returns:
        One chain for each numbered name: of the chains that repeated blocks have
        inside, only that of the blocks themselves, or else the longest.
    """
    families: dict[tuple[Pattern, ModulePath], dict[int, Link]] = defaultdict(dict)
    for site, value in magnitudes:
        if site.index or not np.isfinite(value) or value <= 0:
            continue
        for place, part in enumerate(site.path):
            head, number, tail = _split(part)
            pattern = (site.path[:place], head, tail)
            members = families[pattern, site.path[place + 1 :]]
            members.setdefault(number, Link(site.name, site, value))
    chains: dict[Pattern, list[Link]] = {}
    for (pattern, _), members in sorted(
        families.items(), key=lambda item: (-len(item[1]), len(item[0][1]))
    ):
        chains.setdefault(pattern, [members[number] for number in sorted(members)])
    return list(chains.values())


def ordered_chains(
    magnitudes: Iterable[tuple[Site, float]], order: Mapping[ModulePath, int]
) -> list[list[Link]]:
    """Children of one module that make arrays of one shape, in the program's order.

    Only those without a number in their own name: the others have one order
    already. Lists in which blocks have names of their own are chains of this kind.

    Args:
        magnitudes: sites of one kind with a magnitude each.
        order: where in the program each path's output is made.
    """
    families: dict[Hashable, dict[int, Link]] = defaultdict(dict)
    for site, value in magnitudes:
        if site.index or not site.path or site.path not in order:
            continue
        if _NUMBER.match(site.path[-1]) or not np.isfinite(value) or value <= 0:
            continue
        family = (site.path[:-1], site.shape, site.dtype)
        families[family][order[site.path]] = Link(site.name, site, value)
    return [
        [members[place] for place in sorted(members)] for members in families.values()
    ]


def _split(part: str) -> tuple[str, int, str]:
    """Text, number and text of a name; Haiku leaves the number of the first out."""
    match = _NUMBER.match(part)
    if match is None:
        return f"{part}_", 0, ""
    # Longer numbers than these count nothing, and hostile ones are slow to read.
    digits = match[2][:18]
    return match[1], int(digits), match[3]


def fit_slope(magnitudes: Iterable[float]) -> Slope:
    """The least-squares line of log10 of magnitudes over their position.

    The error is the heteroscedasticity-consistent one (HC3), which does not trust
    a line that hangs on one layer.
    """
    logs = np.log10(np.fromiter(magnitudes, np.float64))
    x = np.arange(logs.size) - (logs.size - 1) / 2
    spread = np.sum(x**2)
    slope = float(np.sum(x * logs) / spread)
    residuals = logs - logs.mean() - slope * x
    leverage = 1 / logs.size + x**2 / spread
    error = float(np.sqrt(np.sum((x * residuals / (1 - leverage)) ** 2)) / spread)
    steps = logs.size - 1
    kept = max(abs(slope) - ERRORS * error, 0.0)
    bound = float(np.sign(slope)) * kept * steps
    steady = float(np.median(np.diff(logs))) * steps
    return Slope(slope, error, slope * steps, bound, steady)
