"""An equation that made NaN or an infinity, as a value on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxdebug.checks.nonfinite.carriers import POINTWISE, Kind, Trial
from jaxdebug.checks.nonfinite.frames import Frame
from jaxdebug.checks.nonfinite.reasons import value_of
from jaxdebug.checks.nonfinite.trace_back import Made
from jaxdebug.frameworks.modules import shared_scopes
from jaxdebug.programs._jax import ir
from jaxdebug.programs.equation import Address
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.scopes import Direction


@dataclass(frozen=True)
class OperandValues:
    """What an equation read.

    Attributes:
        shape: of the operand; inside a shard_map of one device's part.
        dtype: of the operand.
        value: at the element, where the operation is elementwise; else None.
        low: the smallest finite value; None if there is none.
        high: the largest finite value; None if there is none.
        nan: how many elements are NaN.
        infinite: how many elements are infinite.
    """

    shape: tuple[int, ...]
    dtype: str
    value: float | int | bool | str | None
    low: float | None
    high: float | None
    nan: int
    infinite: int


@dataclass(frozen=True)
class Origin:
    """An equation that made NaN or an infinity of operands that have none.

    Attributes:
        primitive: the operation.
        layer: the module path, or `(top)`.
        direction: `forward` (also what `remat` computes again), `backward`, or
            `update`: what is computed from gradients.
        line: the user's line, `file:line`; of a backward equation that of the rule
            that is its derivative, mostly that of the operation itself.
        forward_line: of a backward equation, the line of the forward pass that it is
            the derivative of; else empty.
        iteration: of each scan or while around it, outermost first; of a scan the
            row that it reads, so that a backward scan counts as its forward one.
        branch: of each cond around it, the branch that was taken.
        device: inside a shard_map, the position along each axis of the mesh.
        dtype: of the result.
        shape: of the result.
        index: of the element that was followed.
        value: of that element: NaN or an infinity.
        bad: elements of the result that are NaN, or not finite.
        operands: what it read.
        reason: why, in plain words.
    """

    primitive: str
    layer: str
    direction: str
    line: str
    forward_line: str
    iteration: tuple[int, ...]
    branch: tuple[int, ...]
    device: tuple[tuple[str, int], ...]
    dtype: str
    shape: tuple[int, ...]
    index: tuple[int, ...]
    value: float | str
    bad: int
    operands: tuple[OperandValues, ...]
    reason: str


@dataclass(frozen=True, eq=False)
class Sites:
    """Module path and direction of every equation of a program."""

    graph: Graph
    updates: frozenset[Address]
    """Equations that compute something of gradients."""
    lines: frozenset[str]
    """Of the forward pass."""

    def step(self, made: Made) -> Step:
        """What is known of an equation."""
        return self.graph.step_at(made.frame.equation(made.index).address)

    def direction(self, step: Step) -> str:
        """In the report's words."""
        if step.direction is Direction.BACKWARD:
            return "backward"
        return "update" if step.address in self.updates else "forward"

    def is_constant(self, made: Made) -> bool:
        """Whether it is made of nothing that goes into the program."""
        graph = self.graph
        nodes = [node for node in self.step(made).operands if node is not None]
        return not any(
            graph.made_by[earlier] is None and not graph.fed_by.get(earlier)
            for node in nodes
            for earlier in graph.before(node)
        )


def sites_of(graph: Graph, state: Sequence[int]) -> Sites:
    """Work out which equations belong to the update.

    Args:
        graph: of the program.
        state: indices of the outputs that are new values of arguments.
    """
    lines = {str(s.equation.line) for s in graph.steps if s.direction is _FORWARD}
    backward = [
        s
        for s in graph.steps
        if s.direction is Direction.BACKWARD and not _is_unused_transpose(s)
    ]
    if not backward:
        return Sites(graph, frozenset(), frozenset(lines))
    differentiated = [s for s in graph.steps if s.differentiated]
    of_gradients = _depending(graph, backward)
    of_others = _depending(graph, differentiated)
    needed = {
        node
        for step in differentiated
        for operand in step.operands
        if operand is not None
        for node in graph.before(operand)
    }
    ends = [node for i in state if (node := graph.outputs[i]) is not None]
    leading = {*ends, *(node for end in ends for node in graph.before(end))}
    first = min(step.address for step in backward)
    updates = {
        step.address
        for step in graph.steps
        if step.direction is _FORWARD
        and not step.differentiated
        and (
            step.address in of_gradients
            # The gradient of a parameter that nothing reads is a constant.
            or (
                step.address > first
                and step.address not in of_others
                and not needed.intersection(step.results)
                # A metric of the batch alone leads to no state.
                and not (leading and leading.isdisjoint(step.results))
            )
        )
    }
    return Sites(graph, frozenset(updates), frozenset(lines))


_FORWARD = Direction.FORWARD


def _is_unused_transpose(step: Step) -> bool:
    """Whether it belongs to how a linear solve would be transposed."""
    return any(e.primitive == "custom_linear_solve" for e in step.equation.enclosing)


def _depending(graph: Graph, steps: Sequence[Step]) -> set[Address]:
    """Every equation whose operands depend on results of some equations."""
    queue = [node for step in steps for node in step.results]
    seen = set(queue)
    found: set[Address] = set()
    for current in queue:
        onward = list(graph.feeds.get(current, ()))
        for step in graph.readers.get(current, ()):
            found.add(step.address)
            if not step.opened:
                onward += step.results
        fresh = [node for node in dict.fromkeys(onward) if node not in seen]
        seen.update(fresh)
        queue += fresh
    return found


def describe(made: Made, kind: Kind, sites: Sites, reason: str) -> Origin:
    """Everything that is known of an origin."""
    step = sites.step(made)
    frame = made.frame
    result = np.asarray(frame.value(made.atom))
    trial = Trial(frame, made.index, made.result, made.element)
    shards = frame.shards
    axes = () if shards is None else shards.axes(made.atom.aval)
    front = len(axes)
    own = np.asarray(result[made.element[:front]])
    bad = ~np.isfinite(own) if kind is Kind.INFINITE else np.isnan(own)
    direction = sites.direction(step)
    line = step.equation.line
    pointwise = made.raw.primitive.name in POINTWISE
    return Origin(
        step.equation.primitive,
        step.layer(shared_scopes()) or "(top)",
        direction,
        "" if line is None else str(line),
        _forward_line(made, sites) if direction == "backward" else "",
        frame.iteration,
        frame.branch,
        tuple(zip(axes, made.element, strict=False)),
        str(made.atom.aval.dtype),
        tuple(made.atom.aval.shape),
        made.element[front:],
        _plain(result[made.element]),
        int(bad.sum()),
        tuple(
            _operand(frame, atom, trial.elements[number], pointwise)
            for number, atom in enumerate(made.raw.invars)
            if _is_number(atom.aval)
        ),
        reason,
    )


def _is_number(aval: Any) -> bool:
    return is_inexact(aval) or str(getattr(aval, "dtype", "")).startswith(
        ("int", "uint", "bool")
    )


def _plain(value: Any) -> Any:
    """A number that JSON has."""
    plain = value_of(value)
    return str(plain) if isinstance(plain, complex) else plain


def _operand(
    frame: Frame, atom: Any, element: tuple[int, ...], pointwise: bool
) -> OperandValues:
    array = np.asarray(frame.value(atom))
    shards = frame.shards
    if shards is not None and not isinstance(atom, ir.Literal):
        array = np.asarray(array[element[: len(shards.axes(atom.aval))]])
        element = element[len(shards.axes(atom.aval)) :]
    finite = array[np.isfinite(array)]
    if np.iscomplexobj(finite):
        finite = np.abs(finite)
    return OperandValues(
        tuple(array.shape),
        str(array.dtype),
        _plain(array[element]) if pointwise else None,
        float(finite.min()) if finite.size else None,
        float(finite.max()) if finite.size else None,
        int(np.isnan(array).sum()),
        int(np.isinf(array).sum()),
    )


def _forward_line(made: Made, sites: Sites) -> str:
    """The line of the forward pass that a backward equation is the derivative of."""
    own = str(made.frame.equation(made.index).line)
    if own in sites.lines:
        return own
    graph = sites.graph
    queue = [node for node in sites.step(made).operands if node is not None]
    seen = set(queue)
    for node in queue:
        step = graph.made_by[node]
        if step is not None and not step.opened:
            line = step.equation.line
            if step.direction is not Direction.BACKWARD and line is not None:
                return str(line)
        before = [*graph.fed_by.get(node, ())]
        if step is not None and not step.opened:
            before += [n for n in step.operands if n is not None]
        fresh = [n for n in dict.fromkeys(before) if n not in seen]
        seen.update(fresh)
        queue += fresh
    return ""
