"""Proofs that an output of a program is the same whatever goes in."""

from __future__ import annotations

from jaxdebug.programs.graph import Graph


def is_constant(graph: Graph, node: int | None) -> bool:
    """Whether a value depends on no input and on no captured array.

    JAX leaves out of a gradient program every path that no derivative goes through:
    behind `stop_gradient`, a rounding, an integer, an argmax or a factor of zero
    written in the program. So a gradient that is constant and zero is zero for every
    batch and all parameters.
    """
    if node is None:
        return True
    return not any(
        graph.made_by[before] is None
        and not graph.fed_by.get(before)
        and before not in graph.literals
        for before in graph.before(node)
    )


def reads(graph: Graph, node: int | None, source: int) -> bool:
    """Whether a value depends on another in any way, derivative or not."""
    return node is not None and source in graph.before(node)
