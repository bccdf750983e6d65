"""Statistics of a program's sites: a pytree under jit, a table on the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxdebug.programs.coverage import Unseen
from jaxdebug.programs.places import Site
from jaxdebug.statistics.moments import Moments
from jaxdebug.statistics.statistic import Measured
from jaxdebug.statistics.summary import summarize


@dataclass(frozen=True, eq=False)
class Layout:
    """Which sites the arrays of `Statistics` belong to; static under jit."""

    groups: tuple[tuple[tuple[Site, ...], ...], ...]
    """For each group, the sites of each place along its arrays' last axis. One
    array can be several sites: a layer's output and that of the layer around it."""
    extras: tuple[tuple[Site, ...], ...]
    """For each further record, the sites it is of."""
    order: tuple[Site, ...]
    """Every site: inputs, then the program in its order, then updates."""
    unidentified: tuple[tuple[tuple[str, ...], str], ...]
    """Layers and leaves whose cotangent or gradient was not found, and why."""
    unseen: tuple[Unseen, ...]
    """Parts of the program that are not looked into."""
    summed: tuple[Site, ...] = ()
    """Gradients that are sums: over micro-batches, examples, losses or devices. They
    may be divided by how many there are only later."""
    frozen: tuple[tuple[str, ...], ...] = ()
    """Parameters that a train step leaves as they are: they have no gradient."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Statistics:
    """Statistics by site.

    Attributes:
        groups: one `Moments` for each group of sites; the last axis of shape
            (..., sites) counts the sites, axes before it iterations of scans.
        extras: what else was measured, one record for each array and statistic.
        layout: the sites, static.
    """

    groups: tuple[Moments, ...]
    extras: tuple[Measured, ...]
    layout: Layout = field(metadata={"static": True})

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every site, in the order of the program."""
        return self.layout.order

    def __iter__(self) -> Iterator[tuple[Site, dict[str, np.ndarray]]]:
        """Each site with its summary as NumPy; waits for the device."""
        found: dict[Site, dict[str, Any]] = {site: {} for site in self.sites}
        for places, group in zip(self.layout.groups, self.groups, strict=True):
            numbers = summarize(jax.device_get(group))
            for index, sites in enumerate(places):
                for site in sites:
                    found[site].update({k: v[..., index] for k, v in numbers.items()})
        for sites, extra in zip(self.layout.extras, self.extras, strict=True):
            read = extra.statistic.finalize(jax.device_get(extra.record))
            for site in sites:
                found[site].update(read)
        sizes = {s.path: n["rms"] for s, n in found.items() if s.kind == "parameter"}
        for site, numbers in found.items():
            if site.kind == "update" and site.path in sizes:
                numbers["ratio"] = _ratio(numbers["rms"], sizes[site.path])
        yield from found.items()

    def summary(self, name: str, kind: str = "output") -> dict[str, Any]:
        """The summary of one site.

        Args:
            name: the site's name, such as `"Dense_0"` or `"blocks/attn[1]"`.
            kind: "output", "cotangent", "parameter", "gradient", "update", "state",
                "input", "activation", "softmax" or "lookup".

        Raises:
            KeyError: if there is no such site; lists the names there are.
        """
        for site, numbers in self:
            if site.name == name and site.kind == kind:
                return numbers
        known = ", ".join(sorted(s.name for s in self.sites if s.kind == kind))
        raise KeyError(f"no {kind} named {name!r}; there are: {known or 'none'}")


def _ratio(update: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    """Size of an update for each unit of its parameter's.

    Infinite where a parameter leaves zero, 0 where one stays there.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(update == 0, update, update / parameter)
