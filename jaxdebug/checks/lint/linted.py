"""What the lints look at: a traced program, its ranges, and what is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import jax

from jaxdebug.frameworks.modules import shared_scopes
from jaxdebug.programs._jax import ir
from jaxdebug.programs.cuts import STILL
from jaxdebug.programs.equation import CUSTOM_RULES
from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import Program
from jaxdebug.programs.ranges.analysis import Ranges, ranges_of
from jaxdebug.programs.scopes import Direction, ModulePath

_WITH_RULE = CUSTOM_RULES | {"custom_linear_solve"}


@dataclass(frozen=True, eq=False)
class Linted:
    """One traced program.

    Attributes:
        program: the traced function.
        function: that was traced, which may be jitted.
        arguments: `(args, kwargs)` of avals.
        graph: its flow, steps named after layers.
        inputs: path of each flat input.
        moving: flat inputs that the function is differentiated by, with their paths.
            Empty if it is not known to be differentiated.
        assumed: whether that is assumed of a function that returns a loss.
        losses: flat outputs that are differentiated.
        own: whether the program holds derivatives of its own, as a train step does.
        trained: flat inputs that are parameters, whether differentiated or not.
        batch: flat inputs of which the first axis is the batch; empty if not known.
        state: of a train step, flat inputs with the outputs that are their new values.
    """

    program: Program
    function: Callable[..., Any]
    arguments: Any
    graph: Graph
    inputs: Sequence[tuple[str, ...]]
    moving: dict[int, ModulePath]
    assumed: bool
    losses: tuple[int, ...]
    own: bool
    trained: frozenset[int]
    batch: tuple[int, ...]
    state: tuple[tuple[int, int], ...]

    @cached_property
    def jaxpr(self) -> ir.ClosedJaxpr:
        return self.program.jaxpr

    @cached_property
    def ranges(self) -> Ranges:
        """The range of every array."""
        return ranges_of(self.graph, self.jaxpr.consts, self.trained)

    @cached_property
    def needed(self) -> frozenset[int]:
        """Nodes that some output depends on."""
        outputs = [node for node in self.graph.outputs if node is not None]
        return frozenset(self.graph.before(*outputs))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Equations of the forward pass, and of an update, that matter to an output."""
        return tuple(
            step
            for step in self.graph.steps
            if step.direction is Direction.FORWARD
            and not step.opened
            and not self.needed.isdisjoint(step.results)
        )

    @cached_property
    def leading(self) -> frozenset[int]:
        """Nodes from which a derivative may come to what is differentiated.

        In a program with derivatives of its own, if not said, any node below one.
        """
        if self.own and not self.moving:
            return frozenset(
                node
                for step in self.graph.steps
                if step.differentiated and step.direction is Direction.FORWARD
                for node in step.results
            )
        ends = [self.graph.outputs[index] for index in self.losses]
        start = [
            node
            for node in ends
            if node is not None and is_inexact(self.graph.avals[node])
        ]
        return frozenset(reached(start, self._earlier))

    @cached_property
    def varying(self) -> frozenset[int]:
        """Nodes that a tangent of a parameter comes to."""
        inputs = set(self.moving)
        if self.own and not inputs:
            inputs |= self.trained or set(range(len(self.graph.inputs)))
        start = [self.graph.inputs[index] for index in inputs]
        return frozenset(reached(start, self._later))

    def is_differentiated(self, step: Step, operand: int) -> bool:
        """Whether a derivative is taken through an equation by one of its operands."""
        node = step.operands[operand]
        return (
            node in self.varying
            and not self.leading.isdisjoint(step.results)
            and not any(e.primitive in _WITH_RULE for e in step.equation.enclosing)
        )

    def _earlier(self, node: int) -> Iterator[int]:
        """What a cotangent of a node is handed on to."""
        step = self.graph.made_by[node]
        if step is not None and (not step.opened or _has_rule(step)):
            if not _is_cut(self.graph, step):
                yield from (n for n in step.operands if self._carries(n))
            return
        for source in self.graph.fed_by.get(node, ()):
            if self._carries(source):
                yield source

    def _later(self, node: int) -> Iterator[int]:
        """What a tangent of a node is handed on to."""
        for step in self.graph.readers.get(node, ()):
            if (not step.opened or _has_rule(step)) and not _is_cut(self.graph, step):
                yield from (n for n in step.results if self._carries(n))
        for later in self.graph.feeds.get(node, ()):
            if self._carries(later):
                yield later

    def _carries(self, node: int | None) -> TypeGuard[int]:
        return node is not None and is_inexact(self.graph.avals[node])

    def layer(self, step: Step) -> str:
        """The layer of an equation, as its framework spells it."""
        return step.layer(shared_scopes()) or "(top)"

    def line(self, step: Step) -> str | None:
        """The user's line."""
        line = step.equation.line
        return None if line is None else str(line)

    def name(self, index: int) -> str:
        """A flat input, as the user calls it."""
        path = self.inputs[index]
        return "/".join(path[1:]) if path[0] == "0" else "/".join(path)

    @property
    def leaves(self) -> list[Any]:
        """Avals of the flat inputs."""
        return jax.tree.leaves(self.arguments)


def _has_rule(step: Step) -> bool:
    """Whether a derivative of a call is not made of those of its body."""
    return step.equation.primitive in _WITH_RULE


def _is_cut(graph: Graph, step: Step) -> bool:
    """Whether no derivative passes an equation."""
    return step.equation.primitive in STILL
