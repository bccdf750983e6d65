"""Softmaxes: where a program divides exponentials by their own sum."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from jaxdebug.programs._jax import names
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.primitives import RESHAPING
from jaxdebug.programs.scopes import Direction, ModulePath


class Softmax(NamedTuple):
    """One softmax: its probabilities and the axes they add up to one over."""

    site: Site
    place: Place
    axes: tuple[int, ...]


def softmaxes(graph: Graph) -> list[Softmax]:
    """The softmaxes of a program's forward part, in its order.

    Limits:
        A softmax that is never formed is none: the cross entropy of logits, a
        fused attention kernel.
    """
    found = []
    counts: dict[ModulePath, int] = defaultdict(int)
    for step in graph.steps:
        if step.direction is not Direction.FORWARD or step.equation.primitive != "div":
            continue
        axes = _summed_axes(graph, step)
        if axes is None:
            continue
        aval = graph.avals[step.results[0]]
        site = Site(
            step.path,
            "softmax",
            counts[step.path],
            tuple(aval.shape),
            str(aval.dtype),
            "softmax",
            step.equation.line,
        )
        counts[step.path] += 1
        found.append(Softmax(site, Place(step.address, 0), axes))
    return found


def _summed_axes(graph: Graph, division: Step) -> tuple[int, ...] | None:
    top, bottom = division.operands
    if top is None or bottom is None:
        return None
    sum_of = _made_through(graph, bottom)
    if sum_of is None or sum_of.equation.primitive != "reduce_sum":
        return None
    exponential = _made_through(graph, top)
    summed = sum_of.operands[0]
    if exponential is None or exponential.equation.primitive not in ("exp", "exp2"):
        return None
    if summed is None or _made_through(graph, summed) is not exponential:
        return None
    return names.reduced_axes(sum_of.equation.raw)


def _made_through(graph: Graph, node: int) -> Step | None:
    """The equation that made an array, seen through reshapes and conversions."""
    while True:
        step = graph.made_by[node]
        if step is None or step.equation.primitive not in RESHAPING:
            return step
        source = step.operands[0]
        if source is None:
            return step
        node = source
