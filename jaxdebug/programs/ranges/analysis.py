"""The range of every array of a program, by abstract interpretation.

Equations are taken in the order of the program, bodies where they stand. What a loop
carries starts with what goes in and is widened until it no longer grows: nothing is
run, and no loop is unrolled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from jaxdebug.programs._jax import ir
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.ranges.identity import is_loop_head
from jaxdebug.programs.ranges.range import Range, joined, of_aval, of_values, within
from jaxdebug.programs.ranges.transfer import loop_starts, transferred

PASSES = 4
"""Over a program with loops; what still grows then is taken for anything."""


class Ranges(Mapping[int, Range]):
    """The range of each node of a graph."""

    def __init__(self, graph: Graph, found: Mapping[int, Range]) -> None:
        self.graph, self.found = graph, found

    def __getitem__(self, node: int) -> Range:
        return self.found.get(node) or of_aval(self.graph.avals[node])

    def __iter__(self) -> Any:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def operand(self, step: Step, index: int) -> Range:
        """The range of what an equation reads."""
        node = step.operands[index]
        if node is not None:
            return self[node]
        return of_literal(step, index)


def ranges_of(
    graph: Graph, constants: Sequence[Any] = (), parameters: Collection[int] = ()
) -> Ranges:
    """The range of every node.

    Args:
        graph: the flow of the program.
        constants: arrays that the program captured, in its order.
        parameters: flat inputs that are trained. Any finite value is possible of all
            inputs; of parameters it is not taken for likely that a row is zero.
    """
    start: dict[int, Range] = {}
    for index, node in enumerate(graph.inputs):
        start[node] = of_aval(graph.avals[node], data=index not in parameters)
    # The constants of the whole program stand right behind its inputs.
    for offset, value in enumerate(constants):
        start[len(graph.inputs) + offset] = of_values(value)
    heads = [node for node in graph.entered if is_loop_head(graph, node)]
    passing = _Pass(graph, start, {}, frozenset(heads))
    for count in range(PASSES):
        before = passing.heads
        passing = _Pass(graph, start, dict(passing.heads), frozenset(heads))
        passing.run(widen=count > 0)
        if passing.heads == before:
            break
    else:
        anything = {
            node: of_aval(graph.avals[node], passing.heads[node].data)
            for node in heads
            if node in passing.heads
        }
        passing = _Pass(graph, start, anything, frozenset(heads))
        passing.run(widen=False, grow=False)
    return Ranges(graph, passing.found)


class _Pass:
    """One pass over the program, with what is known of loops from the last."""

    def __init__(
        self,
        graph: Graph,
        start: Mapping[int, Range],
        heads: dict[int, Range],
        loops: frozenset[int],
    ) -> None:
        self.graph, self.heads, self.loops = graph, heads, loops
        self.found: dict[int, Range] = dict(start)

    def run(self, widen: bool, grow: bool = True) -> None:
        for step in self.graph.steps:
            given = [self._read(step, index) for index in range(len(step.operands))]
            if step.opened:
                continue
            made = transferred(self.graph, step, given)
            for node, one in zip(step.results, made, strict=True):
                self.found[node] = within(one, self.graph.avals[node])
        for output in self.graph.outputs:
            if output is not None:
                self._at(output)
        if grow:
            for node in self.loops:
                self._grow(node, widen)

    def _read(self, step: Step, index: int) -> Range:
        node = step.operands[index]
        return of_literal(step, index) if node is None else self._at(node)

    def _at(self, node: int) -> Range:
        # Long chains of calls in calls are short in practice: one level a body.
        if node in self.found:
            return self.found[node]
        aval = self.graph.avals[node]
        if node in self.loops:
            known = self.heads.get(node) or self._from_outside(node)
        else:
            known = self._joined(node)
        self.found[node] = known or of_aval(aval)
        return self.found[node]

    def _from_outside(self, node: int) -> Range | None:
        """What a loop starts with."""
        _, operand = self.graph.entered[node]
        if operand is not None:
            return self._at(operand).without_hits()
        literals = self.graph.literals.get(node, ())
        found = joined(map(_of_value, literals))
        return None if found is None else found.without_hits()

    def _joined(self, node: int) -> Range | None:
        every = [self._at(source) for source in self.graph.fed_by.get(node, ())]
        every += map(_of_value, self.graph.literals.get(node, ()))
        step = self.graph.made_by[node]
        if step is not None and step.opened:
            position = step.results.index(node)
            starts = loop_starts(step)
            if starts:
                first = starts[position]
                every.append(of_aval(None) if first is None else self._at(first))
        return joined(every)

    def _grow(self, node: int, widen: bool) -> None:
        every = [self._at(source) for source in self.graph.fed_by.get(node, ())]
        every += map(_of_value, self.graph.literals.get(node, ()))
        new, aval = joined(every), self.graph.avals[node]
        assert new is not None
        new = new.without_hits()
        old = self.heads.get(node)
        if old is not None:
            low, high = min(old.low, new.low), max(old.high, new.high)
            if widen:
                low = old.low if low == old.low else -inf
                high = old.high if high == old.high else inf
            new = replace(new, low=low, high=high, data=old.data or new.data)
            new = replace(new, nonzero=new.nonzero and old.nonzero)
        self.heads[node] = within(new, aval)


def of_literal(step: Step, index: int) -> Range:
    """The range of an operand that is written in the program."""
    atom = step.equation.raw.invars[index]
    return _of_value(ir.literal_value(atom) if isinstance(atom, ir.Literal) else None)


def _of_value(value: Any) -> Range:
    return Range(-inf, inf) if value is None else of_values(value)
