"""Whose derivative an array is, by the values it was made beside.

One line in a loop reads many inputs, and every call chain there is the same. The
values are not: the derivative by a factor is made with the other factor, and the
cotangent it is made of meets the factor itself elsewhere; what is added has the
cotangent of what it is added to; and a cotangent is made with values of what
reads the result. All of these stand beside the input in the forward part too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial

from jaxdebug.programs._jax.source import call_chain
from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.parameters.backward_flow import (
    LINEAR,
    is_backward,
    nodes_before,
    steps_before,
)
from jaxdebug.programs.parameters.flow import LAYOUT, maker
from jaxdebug.programs.parameters.same_values import Values
from jaxdebug.programs.primitives import CONTRACTIONS, SUMS
from jaxdebug.programs.scopes import Direction

_PRODUCTS = CONTRACTIONS | {"mul"}
_KEEPS = LAYOUT | {"neg"}
_MOVES = LAYOUT | {"broadcast_in_dim", "neg", "rev", "slice", "split"}


@dataclass(eq=False)
class Use:
    """A forward equation that reads an input, and the values around it."""

    values: Values
    step: Step

    @cached_property
    def shapes(self) -> frozenset[tuple[int, ...]]:
        """Of its results, if it adds the input to something; else none."""
        if self.step.equation.primitive not in SUMS:
            return frozenset()
        graph = self.values.graph
        return frozenset(graph.avals[node].shape for node in self.step.results)

    @cached_property
    def factors(self) -> set[int]:
        """What it reads."""
        return self.values.of(self.step.operands)

    @cached_property
    def made_with(self) -> set[int]:
        """What its result, or what that is only added to, is made with."""
        graph, queue = self.values.graph, [self.step]
        nodes: list[int | None] = []
        for step in queue:
            nodes += [*step.operands, *step.results]
            if step.equation.primitive in SUMS | _KEEPS:
                makers = [maker(graph, n) for n in step.operands if n is not None]
                queue += [
                    made_by
                    for made_by in makers
                    if made_by is not None
                    and _is_forward(made_by)
                    and made_by not in queue
                    and len(_joined_by(graph, made_by)) == 1
                ]
        return self.values.of(nodes)

    @cached_property
    def used_with(self) -> set[int]:
        """What its result, or a linear sum of it, is joined with later."""
        graph, nodes = self.values.graph, list[int | None]()

        def after(node: int) -> Iterator[int]:
            yield from graph.feeds.get(node, ())
            for step in graph.readers.get(node, ()):
                primitive = step.equation.primitive
                if not _is_forward(step):
                    continue
                if primitive in LINEAR | SUMS:
                    yield from step.results
                elif primitive in _PRODUCTS:
                    index = step.operands.index(node)
                    nodes.extend((*step.operands[:index], *step.operands[index + 1 :]))
                else:
                    nodes.extend((*step.operands, *step.results))

        for _ in reached(self.step.results, after):
            pass
        return self.values.of(nodes)


def uses_of(values: Values, start: int) -> list[Use]:
    """The equations below a derivative that do more with an input than move it."""
    graph = values.graph
    found: dict[Step, None] = {}

    def after(node: int) -> Iterator[int]:
        yield from graph.feeds.get(node, ())
        for step in graph.readers.get(node, ()):
            if _is_forward(step) and step.equation.primitive in _MOVES:
                yield from step.results
            elif _is_forward(step) and step.differentiated:
                found[step] = None

    for _ in reached([start], after):
        pass
    return [Use(values, step) for step in found]


@dataclass(eq=False)
class Derivative:
    """An array of the backward part, and the values around it."""

    values: Values
    node: int

    @cached_property
    def _behind(self) -> list[Step]:
        return [*steps_before(self.values.graph, self.node)]

    @cached_property
    def factors(self) -> set[int]:
        """Forward values in the equations just behind it."""
        return set[int]().union(*(_residuals(self.values, s) for s in self._behind))

    def cotangents(self, use: Use) -> list[int]:
        """What is the cotangent of a use's result, if it is the derivative by that."""
        shapes = use.shapes
        if shapes not in self._of_sums:
            graph = self.values.graph
            nodes = nodes_before(graph, self.node, shapes)
            self._of_sums[shapes] = [n for n in nodes if graph.avals[n].shape in shapes]
        return self._of_sums[shapes] if shapes else self._of_products

    @cached_property
    def _of_sums(self) -> dict[frozenset[tuple[int, ...]], list[int]]:
        return {}

    @cached_property
    def _of_products(self) -> list[int]:
        graph, found = self.values.graph, list[int]()
        for step in self._behind:
            nodes = [n for n in step.operands if n is not None]
            backward = [n for n in nodes if is_backward(graph, n)]
            found += backward if len(backward) == 1 else []
        return found


def closest(derivative: Derivative, uses: Sequence[Sequence[Use]]) -> list[bool]:
    """Which inputs an array is most likely the derivative by.

    Args:
        derivative: an array of the backward part.
        uses: what is done with each input.

    Returns:
        For each input whether it has most evidence; true of all if none has any.
    """
    values = derivative.values
    read_with = cache(partial(_read_with, values))
    came_with = cache(partial(_came_with, values))

    def made_alike(use: Use) -> int:
        nodes = derivative.cotangents(use)
        return max((len(read_with(node) & use.made_with) for node in nodes), default=0)

    def transposed(use: Use) -> int:
        if use.shapes:
            return min(1, made_alike(use))
        return not use.factors.isdisjoint(derivative.factors)

    def used_alike(use: Use) -> int:
        nodes = derivative.cotangents(use)
        return max((len(came_with(node) & use.used_with) for node in nodes), default=0)

    kept = [True] * len(uses)
    for evidence in (transposed, made_alike, used_alike):
        if sum(kept) > 1:
            scores = [
                max(map(evidence, several), default=0) if is_kept else -1
                for several, is_kept in zip(uses, kept, strict=True)
            ]
            kept = [score == max(scores) for score in scores]
    return kept


def _read_with(values: Values, cotangent: int) -> set[int]:
    """What the backward part joins a cotangent with."""
    graph = values.graph
    found = set[int]()

    def same(node: int) -> Iterator[int]:
        before = graph.fed_by.get(node, ())
        yield from before if len(before) == 1 else ()
        yield from (n for n in graph.feeds.get(node, ()) if len(graph.fed_by[n]) == 1)
        step = graph.made_by[node]
        if step is not None and step.equation.primitive in _KEEPS:
            yield from (n for n in step.operands if n is not None)
        for reader in graph.readers.get(node, ()):
            if reader.opened or reader.direction is not Direction.BACKWARD:
                continue
            if reader.equation.primitive in _KEEPS:
                yield from reader.results
            else:
                found.update(_residuals(values, reader))

    for _ in reached([cotangent], same):
        pass
    return found


def _came_with(values: Values, cotangent: int) -> set[int]:
    """What the backward part made a cotangent with."""
    steps = steps_before(values.graph, cotangent)
    return set[int]().union(*(_residuals(values, step) for step in steps))


def _residuals(values: Values, step: Step) -> set[int]:
    """The forward values that a backward equation reads.

    What an elementwise rule computed of its operand, by equations of the same
    call, stands for the operand.
    """
    graph = values.graph
    nodes = [n for n in step.operands if n is not None and not is_backward(graph, n)]
    if step.equation.primitive in CONTRACTIONS:
        return values.of(nodes)
    chain = call_chain(step.equation.raw)

    def before(node: int) -> list[int]:
        made_by = maker(graph, node)
        if made_by is None or call_chain(made_by.equation.raw) != chain:
            return []
        return [n for n in made_by.operands if n is not None]

    return values.of(reached(nodes, before))


def _joined_by(graph: Graph, step: Step) -> list[Step]:
    """The sums and products that read what an equation makes."""
    return [
        reader
        for result in step.results
        for node in graph.onward(result)
        for reader in graph.readers.get(node, ())
        if _is_forward(reader)
        and reader.equation.primitive in SUMS | CONTRACTIONS | _KEEPS
    ]


def _is_forward(step: Step) -> bool:
    return not step.opened and step.direction is not Direction.BACKWARD
