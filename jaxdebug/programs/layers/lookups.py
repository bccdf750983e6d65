"""Lookups: where a program reads rows of a parameter, as an embedding does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxdebug.programs._jax import names
from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.parameters.flow import maker
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.scopes import Direction, ModulePath


class Lookup(NamedTuple):
    """One reading of rows of a table."""

    site: Site
    """Under the path of the parameter; its shape is that of the table."""
    place: Place
    """Where the indices are read."""
    by_product: bool = False
    """Whether it is a product with one-hot rows: an index outside reads zeros. Else
    each index is a vector whose first number is the row."""


def lookups(graph: Graph, parameters: Mapping[int, ModulePath]) -> list[Lookup]:
    """The lookups of a program's forward part, in its order.

    Args:
        graph: the flow of the program.
        parameters: path of each flat input that is a parameter.

    Limits:
        One-hot rows are known where the program compares indices with an iota and
        does nothing more to the result than to cast it.
    """
    tables = {graph.inputs[index]: path for index, path in parameters.items() if path}
    counts: dict[ModulePath, int] = defaultdict(int)
    found = []
    for step in graph.steps:
        if step.direction is not Direction.FORWARD:
            continue
        read = _rows_read(graph, step)
        table = None if read is None else _table(graph, read.table, tables)
        if read is None or table is None:
            continue
        path, aval = tables[table], graph.avals[table]
        primitive, line = step.equation.primitive, step.equation.line
        shape, dtype = tuple(aval.shape), str(aval.dtype)
        site = Site(path, "lookup", counts[path], shape, dtype, primitive, line)
        counts[path] += 1
        found.append(Lookup(site, read.indices, primitive != "gather"))
    return found


class _Read(NamedTuple):
    table: int | None
    indices: Place


def _rows_read(graph: Graph, step: Step) -> _Read | None:
    """What an equation reads rows of, and where their indices are."""
    primitive = step.equation.primitive
    if primitive == "gather" and step.operands[1] is not None:
        if names.looks_up_rows(step.equation.raw):
            return _Read(step.operands[0], Place(step.address, 1, operand=True))
    elif primitive == "dot_general" and None not in step.operands:
        axes = names.contracted_axes(step.equation.raw)
        for rows, table in ((0, 1), (1, 0)):
            node = step.operands[rows]
            if axes[table] != (0,) or len(axes[rows]) != 1 or node is None:
                continue
            indices = _one_hot(graph, node, *axes[rows])
            if indices is not None:
                return _Read(step.operands[table], indices)
    return None


def _one_hot(graph: Graph, node: int, axis: int) -> Place | None:
    """Where the indices are read of which an array has the one-hot rows."""
    made_by = maker(graph, node)
    while made_by is not None and made_by.equation.primitive == "convert_element_type":
        (operand,) = made_by.operands
        made_by = None if operand is None else maker(graph, operand)
    if made_by is None or made_by.equation.primitive != "eq":
        return None
    for counter, index in ((0, 1), (1, 0)):
        indices = made_by.operands[index]
        if indices is None or not _counts(graph, made_by.operands[counter], axis):
            continue
        aval = graph.avals[indices]
        if np.issubdtype(aval.dtype, np.integer) and aval.shape[axis] == 1:
            return Place(made_by.address, index, operand=True)
    return None


def _counts(graph: Graph, node: int | None, axis: int) -> bool:
    """Whether an array counts 0, 1, 2, ... along an axis, and is constant else."""
    made_by = None if node is None else maker(graph, node)
    if made_by is None:
        return False
    raw = made_by.equation.raw
    if made_by.equation.primitive == "iota":
        return names.counted_axis(raw) == axis
    if made_by.equation.primitive == "broadcast_in_dim":
        axes = names.broadcast_axes(raw)
        inner = made_by.operands[0]
        return axis in axes and _counts(graph, inner, axes.index(axis))
    return False


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
