"""Sites: the arrays of a program that a user knows by a module's name.

Modules that were marked while the program was traced have exactly the sites
that their marks say. For all others the name stacks are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.layers.marked_sites import marked_sites
from jaxdebug.programs.layers.stack_sites import NO_OUTPUTS, stack_sites
from jaxdebug.programs.places import Found, Place, Site
from jaxdebug.programs.scopes import ModulePath


class LayerSites(NamedTuple):
    """What the marks and the name stacks of a program say about its layers."""

    sites: dict[Site, Place]
    unidentified: tuple[tuple[ModulePath, str], ...]
    """Module paths whose cotangent could not be told, with the reason."""


def layer_sites(graph: Graph, known: Mapping[int, int] = NO_OUTPUTS) -> LayerSites:
    """The layers' outputs, then their cotangents, each in the program's order.

    Args:
        graph: the flow of the program.
        known: for some cotangents, the output that each is of.
    """
    marked = marked_sites(graph)
    by_stack, reasons = stack_sites(graph, marked.stacks, known)
    found = marked.found + by_stack
    if marked.found:
        found.sort(key=lambda one: (one.kind == "cotangent", one.place.address))
    sites: dict[Site, Place] = {}
    seen: dict[int, Place] = {}
    for one in found:
        # An array that is several sites is measured at one place for all of them.
        sites[_site(graph, one)] = seen.setdefault(one.node, one.place)
    return LayerSites(sites, (*marked.unidentified, *reasons))


def _site(graph: Graph, found: Found) -> Site:
    aval = graph.avals[found.node]
    return Site(
        found.path,
        found.kind,
        found.index,
        tuple(aval.shape),
        str(aval.dtype),
        found.primitive,
        found.line,
    )
