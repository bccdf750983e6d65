"""Leaves that a derivative reads, and which gradients are theirs.

A gradient that leads to a leaf's new value may be another leaf's: by the norm of
all gradients, or because the leaf is an average of that other one. It belongs to
the leaves that it is most surely the derivative by.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.parameters.derivatives import (
    Claim,
    Readers,
    claim,
    makers,
    readers_below_derivatives,
)
from jaxdebug.programs.parameters.flow import LAYOUT, maker
from jaxdebug.programs.parameters.neighbours import Derivative, Use, closest, uses_of
from jaxdebug.programs.parameters.packed import Parts, parts_of, reshaped
from jaxdebug.programs.parameters.same_values import Values
from jaxdebug.programs.parameters.updates import Trail, added_to, is_gradient, trail_of
from jaxdebug.programs.places import Place

_REPEATS = LAYOUT | {"broadcast_in_dim"}


@dataclass(eq=False)
class Claimant:
    """A leaf that a derivative reads."""

    graph: Graph
    start: int
    """The node of the old value."""
    end: int
    """The node of the new value."""
    readers: Readers
    trail: Trail
    values: Values
    kind: int
    """Equal for leaves that the same lines of the program read."""
    claims: dict[int, Claim] = field(default_factory=dict)
    """The gradients that lead to the new value and are the leaf's own."""

    @cached_property
    def uses(self) -> list[Use]:
        """What is done with it below a derivative."""
        return uses_of(self.values, self.start)

    @cached_property
    def parts(self) -> Parts:
        """What leads to its new value, element by element."""
        return parts_of(self.graph, self.end)

    @cached_property
    def added(self) -> Place | None:
        """Δ in the p + Δ that makes the new value."""
        return added_to(self.graph, self.end, self.start)

    @property
    def is_moved(self) -> bool:
        """Whether the step adds an array to it: not so to statistics or counters."""
        if self.added is None:
            return False
        step = self.graph.step_at(self.added.address)
        if step.differentiated:
            return False
        return step.operands[self.added.index] is not None or not np.any(
            self.graph.literal(step, self.added.index)
        )

    @property
    def adds_nothing(self) -> bool:
        """Whether what the step adds to it is a zero written in the program."""
        if self.added is None:
            return False
        step, index = self.graph.step_at(self.added.address), self.added.index
        while (node := step.operands[index]) is not None:
            before = maker(self.graph, node)
            if before is None or before.equation.primitive not in _REPEATS:
                return False
            step, index = before, 0
        value = self.graph.literal(step, index)
        return value is not None and not np.any(value)

    def averages(self, other: Claimant) -> bool:
        """Whether its new value is made from the other's old or new one."""
        theirs = other.start in self.trail.nodes or other.end in self.trail.nodes
        return theirs and self.start not in other.trail.nodes


def claimants(graph: Graph, pairs: Iterable[tuple[int, int]]) -> list[Claimant | None]:
    """What each leaf can claim; None for leaves that no derivative reads.

    None too for those whose new value is a gradient itself.

    Args:
        graph: the flow of the program.
        pairs: the nodes of each leaf's old and new value.
    """
    values, kinds = Values(graph), dict[Hashable, int]()
    every: list[Claimant | None] = []
    for start, end in pairs:
        readers = readers_below_derivatives(graph, start)
        if not readers or is_gradient(graph, end):
            # A gradient may be kept too, for a line search to begin with.
            every.append(None)
            continue
        trail = trail_of(graph, end)
        kind = kinds.setdefault(readers.places, len(kinds))
        every.append(Claimant(graph, start, end, readers, trail, values, kind))
    _settle(graph, [claimant for claimant in every if claimant is not None])
    return every


def _settle(graph: Graph, every: Sequence[Claimant]) -> None:
    """Give each gradient to the leaves that it is most surely the derivative by."""
    leading: dict[int, list[Claimant]] = {}
    for claimant in every:
        for node in claimant.trail.gradients:
            leading.setdefault(node, []).append(claimant)
    for node, those in leading.items():
        made = makers(graph, node)
        claims = [claim(claimant.readers, made) for claimant in those]
        best = max(claims)
        rightful = owners_of(graph, node, every)
        owners = [c for c, own in zip(those, claims, strict=True) if own == best]
        if best is not Claim.DERIVED and rightful:
            # It may have been given to leaves that it does not belong to.
            owners = [c for c in owners if c in rightful]
        for owner in owners:
            if not any(owner.averages(other) for other in owners):
                owner.claims[node] = best


def owners_of(graph: Graph, gradient: int, every: Sequence[Claimant]) -> list[Claimant]:
    """The leaves that an array is the derivative by, wherever it leads."""
    made = makers(graph, gradient)
    one_each = {c.kind: c for c in every}
    claims = {kind: claim(c.readers, made) for kind, c in one_each.items()}
    direct = [c for c in every if claims[c.kind] is Claim.DIRECT]
    shape = graph.avals[gradient].shape
    alike = [c for c in direct if _ends_in(shape, graph.avals[c.start].shape)]
    if len(alike) < 2:
        return direct
    near = closest(Derivative(alike[0].values, gradient), [c.uses for c in alike])
    return [c for c, is_near in zip(alike, near, strict=True) if is_near]


def _ends_in(shape: tuple[int, ...], last: tuple[int, ...]) -> bool:
    """Whether an array may hold several of a smaller shape: one for each example."""
    return shape[len(shape) - len(last) :] == last


def own_gradients(
    claimant: Claimant, every: Sequence[Claimant]
) -> tuple[list[int], Trail]:
    """The gradients of a leaf that lead to its new value, and how."""
    own = [node for node in claimant.trail.gradients if node in claimant.claims]
    if not own:
        return _through_other_shapes(claimant, every)
    if len(own) > 1 or claimant.graph.avals[claimant.start].size == 1:
        own = _closest(claimant, every, own)
    return own, claimant.trail


def _through_other_shapes(
    claimant: Claimant, every: Sequence[Claimant]
) -> tuple[list[int], Trail]:
    """Gradients of the leaf alone that reach it packed with others, or turned."""
    graph = claimant.graph
    trail = trail_of(graph, claimant.end, any_shape=True)
    # Where each element comes from is known, most often; else what mixes them counts.
    leading = [part.node for part in claimant.parts.gradients] or trail.gradients
    if not leading:
        return _through_choices(claimant, every)
    return _rightful(claimant, every, leading), trail


def _through_choices(
    claimant: Claimant, every: Sequence[Claimant]
) -> tuple[list[int], Trail]:
    """Gradients that decide, element by element, how far the leaf is moved.

    To single numbers, what decides over all leaves at once does not count.
    """
    graph, shared = claimant.graph, set[int]()
    if graph.avals[claimant.start].size == 1:
        for other in every:
            if other is not claimant:
                theirs = trail_of(graph, other.end, choices=True)
                shared.update(theirs.nodes.keys() - set(theirs.gradients))
    trail = trail_of(graph, claimant.end, choices=True, without=shared)
    return _rightful(claimant, every, trail.gradients), trail


def _rightful(
    claimant: Claimant, every: Sequence[Claimant], gradients: Iterable[int]
) -> list[int]:
    """Those of the leaf's shape that are its own and nobody else's."""
    graph = claimant.graph
    taken = {node for other in every for node in other.claims}
    shape = graph.avals[claimant.start].shape
    alike = reshaped(graph, claimant.parts, claimant.start)
    return [
        node
        for node in gradients
        if node not in taken
        and (node in alike or graph.avals[node].shape == shape)
        and claimant in owners_of(graph, node, every)
    ]


def _closest(
    claimant: Claimant, every: Sequence[Claimant], own: list[int]
) -> list[int]:
    """Of several gradients those made under the modules that read the leaf.

    Of scalars, those that do not reach it through what all leaves share, such as
    the norm of all gradients; none if only gradients of others do.
    """
    graph = claimant.graph
    closer = [
        node for node in own if claim(claimant.readers, makers(graph, node), path=True)
    ]
    own = closer or own
    is_scalar = graph.avals[claimant.start].size == 1
    if len(own) == 1 and not is_scalar:
        return own
    rest = (c.trail.nodes.keys() for c in every if c.claims and c is not claimant)
    shared = set().union(*rest) - set(claimant.trail.gradients)
    apart = trail_of(graph, claimant.end, without=shared).gradients
    found = [node for node in own if node in apart]
    return found or ([] if is_scalar and apart else own)
