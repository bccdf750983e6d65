"""From a result of an equation with bodies to the value in the body that it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxdebug.checks.nonfinite.frames import (
    CONTROL,
    Frame,
    Position,
    Source,
    filled,
    made_avals,
    run_all,
)
from jaxdebug.checks.nonfinite.loops import Loop
from jaxdebug.checks.nonfinite.shards import Element, Shards, compiled, entering, lead
from jaxdebug.programs._jax import calls, control, ir


def inside(frame: Frame, index: int, result: int, element: Element) -> Position | None:
    """The value in a body that became an element of a result.

    None if the equation has no body that is looked into.
    """
    if index in frame.called:
        inner, body = frame.called[index]
        place = body.results.index(result)
        like = frame.jaxpr.jaxpr.eqns[index].outvars[result].aval
        return inner.at(inner.jaxpr.jaxpr.outvars[place], element, like)
    name = frame.jaxpr.jaxpr.eqns[index].primitive.name
    if name not in CONTROL:
        return None
    if name == "cond":
        return _in_branch(frame, index, result, element)
    if name == "shard_map":
        return _in_shards(frame, index, result, element)
    if index not in frame.opened:
        frame.opened[index] = Loop(frame, index)
    return frame.opened[index].source(result, element)


def body_of(frame: Frame, index: int, number: int) -> Frame | None:
    """The body of an equation, by its number; None of what runs more than once, or of
    a branch that was not taken."""
    if index in frame.called:
        inner, _ = frame.called[index]
        return inner if inner.level.address[-1] == number else None
    name = frame.jaxpr.jaxpr.eqns[index].primitive.name
    if frame.shards is not None:
        return None
    if name == "cond" and _choice(frame, index, (), None) == number:
        return _branch_of(frame, index, number)
    return _shards_of(frame, index) if name == "shard_map" else None


def _in_branch(frame: Frame, index: int, result: int, element: Element) -> Position:
    raw = frame.jaxpr.jaxpr.eqns[index]
    like = raw.outvars[result].aval
    inner = _branch_of(frame, index, _choice(frame, index, element, like))
    return inner.at(inner.jaxpr.jaxpr.outvars[result], element, like)


def _branch_of(frame: Frame, index: int, number: int) -> Frame:
    if (index, number) not in frame.opened:
        frame.opened[index, number] = _branch(frame, index, number)
    found: Frame = frame.opened[index, number]
    return found


def _choice(frame: Frame, index: int, element: Element, like: Any) -> int:
    """Which branch was taken; inside a shard_map, by the element's device."""
    raw = frame.jaxpr.jaxpr.eqns[index]
    chosen = np.asarray(frame.value(raw.invars[0]))
    at = frame.at(raw.invars[0], element, like).element
    number = int(chosen[at[: chosen.ndim]])
    return min(max(number, 0), len(control.view_cond(raw).branches) - 1)


def _branch(frame: Frame, index: int, number: int) -> Frame:
    raw = frame.jaxpr.jaxpr.eqns[index]
    body = control.view_cond(raw).branches[number]

    def enter(position: int, element: Element) -> Source:
        aval = body.jaxpr.invars[position].aval
        return frame.at(raw.invars[position + 1], element, aval)

    inner = Frame(
        body,
        frame.equation(index).inside(number),
        frame.operands(index)[1:],
        enter,
        frame.shards,
        frame.iteration,
        (*frame.branch, number),
        (*frame.order, index, 0),
    )
    run = compiled(
        lambda *inputs: run_all(body, inputs)[1],
        body.in_avals,
        [*made_avals(body)],
        frame.shards,
    )
    return filled(inner, run(*inner.inputs))


def _in_shards(frame: Frame, index: int, result: int, element: Element) -> Position:
    inner = _shards_of(frame, index)
    assert inner.shards is not None
    atom = inner.jaxpr.jaxpr.outvars[result]
    spec = inner.shards.view.out_specs[result]
    outside = frame.jaxpr.jaxpr.eqns[index].outvars[result].aval
    device, own = _apart(frame.shards, outside, element)
    return Position(inner, atom, inner.shards.within(atom.aval, own, spec, device))


def _shards_of(frame: Frame, index: int) -> Frame:
    if index not in frame.opened:
        frame.opened[index] = _sharded(frame, index)
    found: Frame = frame.opened[index]
    return found


def _apart(
    shards: Shards | None, aval: Any, element: Element
) -> tuple[dict[str, int], Element]:
    """Whose an element is, and which of its value's own."""
    if shards is None:
        return {}, element
    return shards.device(aval, element), element[lead(shards, aval) :]


def _sharded(frame: Frame, index: int) -> Frame:
    raw = frame.jaxpr.jaxpr.eqns[index]
    view, around = calls.view_shard_map(raw), frame.shards
    shards = Shards(view if around is None else view.inside(around.view))
    body = view.body
    fronts = [
        () if around is None or isinstance(atom, ir.Literal) else around.axes(atom.aval)
        for atom in raw.invars
    ]

    def enter(position: int, element: Element) -> Source:
        aval = body.jaxpr.invars[position].aval
        device = shards.device(aval, element)
        front = (device.get(axis, 0) for axis in fronts[position])
        own = shards.whole(aval, element, view.in_specs[position])
        return Position(frame, raw.invars[position], (*front, *own))

    avals = [*body.in_avals, *made_avals(body)]

    def function(*inputs: Any) -> list[Any]:
        return [*inputs, *run_all(body, inputs)[1]]

    values = entering(function, fronts, avals, shards)(*frame.operands(index))
    count = len(body.in_avals)
    inner = Frame(
        body,
        frame.equation(index).inside(0),
        values[:count],
        enter,
        shards,
        frame.iteration,
        frame.branch,
        (*frame.order, index, 0),
    )
    return filled(inner, values[count:])
