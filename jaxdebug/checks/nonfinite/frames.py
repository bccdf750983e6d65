"""Every value of one run of a program, body by body, and what each one came from.

A frame is one run of one jaxpr: the whole program, a function that it calls, one
iteration of a loop, one branch. All values of a frame come from one compiled program.
Loops, branches and shard_maps are opened only where somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.nonfinite.shards import Element, Shards, compiled
from jaxdebug.programs._jax import ir, source
from jaxdebug.programs.equation import TOP, Equation, Level
from jaxdebug.programs.rules.rule import Body
from jaxdebug.programs.rules.table import DEFAULT_RULES
from jaxdebug.programs.shadow import PRINTS

CONTROL = frozenset({"scan", "while", "cond", "shard_map"})
"""Bodies that run several times, or not at all, or on several devices."""


class Position(NamedTuple):
    """One element of one value."""

    frame: Frame
    atom: Any
    element: Element


class InputElement(NamedTuple):
    """One element of an input of the program."""

    index: int
    element: Element


Source = Position | InputElement


@dataclass(eq=False)
class Frame:
    """One run of one jaxpr."""

    jaxpr: ir.ClosedJaxpr
    level: Level
    inputs: Sequence[Any]
    enter: Callable[[int, Element], Source]
    """What an element of an input is outside."""
    shards: Shards | None = None
    iteration: tuple[int, ...] = ()
    """Of the loops around it, outermost first."""
    branch: tuple[int, ...] = ()
    """Taken of the conds around it, outermost first."""
    order: tuple[int, ...] = ()
    """When it ran: it is compared with that of other frames."""
    values: dict[Any, Any] = field(default_factory=dict)
    made_by: dict[Any, tuple[int, int]] = field(default_factory=dict)
    """For each value the index of its equation, and of the result that it is."""
    called: dict[int, tuple[Frame, Body]] = field(default_factory=dict)
    opened: dict[Any, Any] = field(default_factory=dict)
    """What was opened on request, by the index of its equation."""

    def equation(self, index: int) -> Equation:
        """One of its equations."""
        return self.level.equation(index, self.jaxpr.jaxpr.eqns[index])

    def value(self, atom: Any) -> Any:
        """The array that stands there, stacked inside a shard_map.

        None of what is no array, as a reference.
        """
        if isinstance(atom, ir.Literal):
            dtype = getattr(atom.aval, "dtype", None)
            if jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
                return atom.val
            return np.asarray(atom.val, dtype)
        return self.values.get(atom)

    def operands(self, index: int) -> list[Any]:
        """What an equation read."""
        return [self.value(atom) for atom in self.jaxpr.jaxpr.eqns[index].invars]

    def at(self, atom: Any, element: Element, like: Any) -> Position:
        """A position, of an element as another value, `like`, has it."""
        if self.shards is not None and not isinstance(atom, ir.Literal):
            element = self.shards.moved(element, like, atom.aval)
        return Position(self, atom, element)


def entered(raw: ir.JaxprEqn) -> tuple[int, Body] | None:
    """The body of a call that runs once, and its number; None of anything else."""
    name = raw.primitive.name
    if name in CONTROL or name not in DEFAULT_RULES:
        return None
    bodies = DEFAULT_RULES[name].bodies(TOP.equation(0, raw))
    # Of a linear solve, the solver alone gives the results.
    return next(
        (number, body) for number, body in enumerate(bodies) if None not in body.results
    )


def run_all(
    jaxpr: ir.ClosedJaxpr, inputs: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Outputs of a jaxpr, and every array that its equations make, calls included."""
    values = dict(zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True))
    values.update(zip(jaxpr.jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return ir.literal_value(atom) if isinstance(atom, ir.Literal) else values[atom]

    made: list[Any] = []
    for raw in jaxpr.jaxpr.eqns:
        operands = [*map(read, raw.invars)]
        if raw.primitive.name in PRINTS:
            continue
        with source.context_of(raw):
            call = entered(raw)
            if call is None:
                results = ir.bind(raw, operands)
            else:
                body = call[1]
                outputs, inner = run_all(
                    body.jaxpr, [operands[i] for i in body.operands]
                )
                made += inner
                results = [
                    outputs[body.results.index(n)] for n in range(len(raw.outvars))
                ]
        values.update(zip(raw.outvars, results, strict=True))
        made += [values[var] for var in raw.outvars if ir.is_array(var.aval)]
    return [*map(read, jaxpr.jaxpr.outvars)], made


def made_avals(jaxpr: ir.ClosedJaxpr) -> Iterator[Any]:
    """Avals of what `run_all` says is made."""
    for raw in jaxpr.jaxpr.eqns:
        if raw.primitive.name in PRINTS:
            continue
        call = entered(raw)
        if call is not None:
            yield from made_avals(call[1].jaxpr)
        yield from (var.aval for var in raw.outvars if ir.is_array(var.aval))


def filled(frame: Frame, made: Sequence[Any]) -> Frame:
    """The frame, and those of the functions that it calls, with all their values.

    Args:
        frame: with its inputs.
        made: by `run_all`.
    """
    _fill(frame, iter(made))
    return frame


def _fill(frame: Frame, made: Iterator[Any]) -> None:
    jaxpr = frame.jaxpr.jaxpr
    frame.values.update(zip(jaxpr.constvars, frame.jaxpr.consts, strict=True))
    frame.values.update(zip(jaxpr.invars, frame.inputs, strict=True))
    for index, raw in enumerate(jaxpr.eqns):
        if raw.primitive.name in PRINTS:
            continue
        call = entered(raw)
        if call is not None:
            _fill(_called(frame, index, *call), made)
        for position, var in enumerate(raw.outvars):
            frame.made_by[var] = index, position
            if ir.is_array(var.aval):
                frame.values[var] = next(made)


def _called(frame: Frame, index: int, number: int, body: Body) -> Frame:
    raw = frame.jaxpr.jaxpr.eqns[index]

    def enter(position: int, element: Element) -> Source:
        atom = raw.invars[body.operands[position]]
        return frame.at(atom, element, body.jaxpr.jaxpr.invars[position].aval)

    inner = Frame(
        body.jaxpr,
        frame.equation(index).inside(number),
        [frame.value(raw.invars[i]) for i in body.operands],
        enter,
        frame.shards,
        frame.iteration,
        frame.branch,
        (*frame.order, index),
    )
    frame.called[index] = inner, body
    return inner


def whole_program(
    jaxpr: ir.ClosedJaxpr,
) -> Callable[[Sequence[Any]], Frame]:
    """What runs a whole program on its inputs and keeps every value."""
    run = compiled(lambda *inputs: run_all(jaxpr, inputs)[1], (), ())

    def frame(leaves: Sequence[Any]) -> Frame:
        return filled(Frame(jaxpr, TOP, leaves, InputElement), run(*leaves))

    return frame
