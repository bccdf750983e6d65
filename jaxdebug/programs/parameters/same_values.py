"""Which arrays of a program hold the same values.

An array passed into a body, cast or turned stays the same one here; so does one
that remat computes again. Made for evidence: equations that differ only in their
settings or in literals are taken to make the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.flow import LAYOUT, source


@dataclass(eq=False)
class Values:
    """The values in a program, told apart; worked out when first asked for."""

    graph: Graph

    def of(self, nodes: Iterable[int | None]) -> set[int]:
        """Numbers of the values that nodes hold, without literals and constants."""
        found = {self._numbers[node] for node in nodes if node is not None}
        return {number for number in found if not self._is_constant(number)}

    def _is_constant(self, number: int) -> bool:
        step = self.graph.made_by[number]
        return step is not None and all(n is None for n in step.operands)

    @cached_property
    def _numbers(self) -> list[int]:
        """For each node the first one that holds its values."""
        graph = self.graph
        first = list(range(len(graph.avals)))
        made: dict[Any, int] = {}
        # Equations stand after those that make what they read; only what comes
        # back in a loop does not, and that is a value of its own.
        for step in graph.steps:
            if step.opened:
                continue
            operands = tuple(
                None if n is None else first[source(graph, n)] for n in step.operands
            )
            for index, node in enumerate(step.results):
                if step.equation.primitive in LAYOUT and operands[0] is not None:
                    first[node] = operands[0]
                else:
                    key = _key(graph, step, index, operands)
                    first[node] = made.setdefault(key, node)
        return [first[source(graph, node)] for node in range(len(first))]


def _key(graph: Graph, step: Step, index: int, operands: tuple[int | None, ...]) -> Any:
    aval = graph.avals[step.results[index]]
    shape, dtype = getattr(aval, "shape", None), getattr(aval, "dtype", None)
    return step.equation.primitive, index, operands, shape, str(dtype)
