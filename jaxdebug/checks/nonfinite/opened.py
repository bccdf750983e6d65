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
from jaxdebug.checks.nonfinite.shards import Element, Shards, compiled, entering
from jaxdebug.programs._jax import calls, control


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


def _in_branch(frame: Frame, index: int, result: int, element: Element) -> Position:
    raw = frame.jaxpr.jaxpr.eqns[index]
    like = raw.outvars[result].aval
    number = _choice(frame, index, element, like)
    if (index, number) not in frame.opened:
        frame.opened[index, number] = _branch(frame, index, number)
    inner = frame.opened[index, number]
    return inner.at(inner.jaxpr.jaxpr.outvars[result], element, like)


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


def _in_shards(
    frame: Frame, index: int, result: int, element: Element
) -> Position | None:
    if frame.shards is not None:
        return None  # a shard_map in a shard_map
    if index not in frame.opened:
        frame.opened[index] = _sharded(frame, index)
    inner: Frame = frame.opened[index]
    assert inner.shards is not None
    atom = inner.jaxpr.jaxpr.outvars[result]
    spec = inner.shards.view.out_specs[result]
    return Position(inner, atom, inner.shards.within(atom.aval, element, spec))


def _sharded(frame: Frame, index: int) -> Frame:
    raw = frame.jaxpr.jaxpr.eqns[index]
    view = calls.view_shard_map(raw)
    shards = Shards(view)
    body = view.body

    def enter(position: int, element: Element) -> Source:
        aval = body.jaxpr.invars[position].aval
        outside = shards.whole(aval, element, view.in_specs[position])
        return Position(frame, raw.invars[position], outside)

    avals = [*body.in_avals, *made_avals(body)]
    run = entering(lambda *inputs: [*inputs, *run_all(body, inputs)[1]], avals, shards)
    values = run(*frame.operands(index))
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
