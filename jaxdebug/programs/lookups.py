"""Lookups: where a program reads rows of a parameter, as an embedding does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from jaxdebug.programs._jax import names
from jaxdebug.programs.graph import Graph, reached
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.scopes import Direction, ModulePath


class Lookup(NamedTuple):
    """One reading of rows of a table."""

    site: Site
    """Under the path of the parameter; its shape is that of the table."""
    place: Place
    """Where the indices are read."""


def lookups(graph: Graph, parameters: Mapping[int, ModulePath]) -> list[Lookup]:
    """The lookups of a program's forward part, in its order.

    Args:
        graph: the flow of the program.
        parameters: path of each flat input that is a parameter.

    Limits:
        A product with one-hot rows reads the whole table and is no lookup, and a
        single row read under vmap has become a slice of another form.
    """
    tables = {graph.inputs[index]: path for index, path in parameters.items() if path}
    counts: dict[ModulePath, int] = defaultdict(int)
    found = []
    for step in graph.steps:
        if step.direction is not Direction.FORWARD:
            continue
        if step.equation.primitive != "gather" or step.operands[1] is None:
            continue
        table = _table(graph, step.operands[0], tables)
        if table is None or not names.looks_up_rows(step.equation.raw):
            continue
        path, aval = tables[table], graph.avals[table]
        line = step.equation.line
        shape, dtype = tuple(aval.shape), str(aval.dtype)
        site = Site(path, "lookup", counts[path], shape, dtype, "gather", line)
        counts[path] += 1
        found.append(Lookup(site, Place(step.address, 1, operand=True)))
    return found


def _table(
    graph: Graph, node: int | None, tables: Mapping[int, ModulePath]
) -> int | None:
    """The parameter that an array is, perhaps in another dtype."""

    def earlier(current: int) -> list[int]:
        step = graph.made_by[current]
        cast = step is not None and step.equation.primitive == "convert_element_type"
        nodes = step.operands if step is not None and cast else ()
        return [*graph.fed_by.get(current, ()), *(n for n in nodes if n is not None)]

    if node is None:
        return None
    shape = graph.avals[node].shape
    near = [n for n in reached([node], earlier) if n in tables]
    same = [n for n in near if graph.avals[n].shape == shape]
    return same[0] if len(same) == 1 else None
