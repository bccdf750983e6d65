"""Softmaxes: where a program divides exponentials by their own sum."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from jaxdebug.programs._jax import names
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.layers.marked_sites import spelled
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.primitives import RESHAPING
from jaxdebug.programs.scopes import Direction, ModulePath


class Softmax(NamedTuple):
    """One softmax: what it takes the exponential of, and over which axes."""

    site: Site
    place: Place
    """Where the exponential reads its operand: the scores, often shifted."""
    exponential: str
    """The primitive, exp or exp2."""
    axes: tuple[int, ...]
    """Probabilities add up to one over these."""


def softmaxes(graph: Graph) -> list[Softmax]:
    """The softmaxes of a program's forward part, in its order.

    Limits:
        A softmax that is never formed is none: the cross entropy of logits, a
        fused attention kernel.
    """
    found = []
    counts: dict[ModulePath, int] = defaultdict(int)
    spell = spelled(graph)
    for step in graph.steps:
        if step.direction is not Direction.FORWARD or step.equation.primitive != "div":
            continue
        exponential = _exponential(graph, step)
        if exponential is None:
            continue
        made, axes = exponential
        aval, path = graph.avals[step.results[0]], spell(step.path)
        site = Site(
            path,
            "softmax",
            counts[path],
            tuple(aval.shape),
            str(aval.dtype),
            "softmax",
            step.equation.line,
        )
        counts[path] += 1
        place = Place(made.address, 0, operand=True)
        found.append(Softmax(site, place, made.equation.primitive, axes))
    return found


def _exponential(graph: Graph, division: Step) -> tuple[Step, tuple[int, ...]] | None:
    """The exponential whose results are divided by their own sum, and its axes."""
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
    shapes = {graph.avals[node].shape for node in (summed, *division.results)}
    if shapes != {graph.avals[exponential.results[0]].shape}:
        return None
    return exponential, names.reduced_axes(sum_of.equation.raw)


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
