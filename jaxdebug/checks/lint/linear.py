"""Layers one after another with nothing between them that is not linear."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.place import Spot, findings_of
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Severity
from jaxdebug.programs._jax import operations
from jaxdebug.programs.graph import Step
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import CONTRACTIONS, RESHAPING, UNCHANGED
from jaxdebug.programs.ranges.identity import same

_LINEAR = RESHAPING | UNCHANGED | frozenset({"transpose", "neg"})
_WITH_CONSTANT = frozenset({"add", "sub", "mul", "div", "select_n"})


class _Layer(NamedTuple):
    step: Step
    data: int
    """Node of what it multiplies its weights with."""
    width: tuple[int, int]
    """How many features go in and come out."""


def lint_linear(linted: Linted) -> Outcome:
    """Two layers that are one, and networks that are linear as a whole."""
    if not linted.trained:
        return not_run("linear", "give `argnums`, the arguments that hold the weights")
    layers = {
        layer.step.results[0]: layer
        for step in linted.steps
        for layer in _layer(linted, step)
    }
    spots = []
    pairs = 0
    for layer in layers.values():
        before, _ = _behind(linted, layer.data, layers)
        if before is None or before.width[1] < min(before.width[0], layer.width[1]):
            continue
        if _is_lookup(linted, before.data):
            continue
        pairs += 1
        whole = _is_all(linted, layers, before)
        message = (
            f"nothing but sums and scaling between {linted.layer(before.step)} and "
            "this layer: the two are one linear map"
        )
        if whole:
            message += ". No layer of the whole network has an activation"
        severity = None if whole else Severity.INFO
        spots.append(Spot("linear-stack", layer.step, message, severity))
    said = f"{len(layers)} layers, {pairs} behind another without an activation"
    return judged(
        "linear",
        said,
        findings_of(linted, spots),
        {"layers": len(layers), "pairs": pairs},
    )


def _layer(linted: Linted, step: Step) -> Iterator[_Layer]:
    """The equation as a layer, if it multiplies data with weights."""
    if step.equation.primitive not in CONTRACTIONS:
        return
    for weights, data in ((1, 0), (0, 1)):
        w, x = step.operands[weights], step.operands[data]
        if w is None or x is None:
            return
        if _is_weight(linted, w) and linted.ranges[x].data:
            width = _width(linted, step, weights)
            if width is not None:
                yield _Layer(step, x, width)
            return


def _is_weight(linted: Linted, node: int) -> bool:
    trained = {linted.graph.inputs[index] for index in linted.trained}
    made_of = set(linted.graph.before(node))
    return not linted.ranges[node].data and not trained.isdisjoint(made_of)


def _width(linted: Linted, step: Step, weights: int) -> tuple[int, int] | None:
    avals = [
        linted.graph.avals[node].shape for node in step.operands if node is not None
    ]
    if step.equation.primitive == "conv_general_dilated":
        view = operations.view_convolution(step.equation.raw)
        inside = avals[1][view.inputs]
        outside = avals[1][operations.output_features(step.equation.raw)]
        return None if view.groups > 1 or weights == 0 else (inside, outside)
    if step.equation.primitive != "dot_general":
        return None
    view = operations.view_product(step.equation.raw)
    summed = (view.left, view.right)[weights]
    paired = (view.left_batch, view.right_batch)[weights]
    shape = avals[weights]
    inside = prod(shape[axis] for axis in summed)
    free = [a for a in range(len(shape)) if a not in summed and a not in paired]
    return inside, prod(shape[axis] for axis in free)


def _behind(
    linted: Linted, node: int, layers: dict[int, _Layer]
) -> tuple[_Layer | None, int]:
    """The layer whose result a node is a linear function of; or where that begins."""
    graph, ranges = linted.graph, linted.ranges
    while True:
        node = same(graph, node)
        if node in layers:
            return layers[node], node
        step = graph.made_by[node]
        if step is None or step.opened:
            return None, node
        name = step.equation.primitive
        moving = [
            n
            for n in step.operands
            if n is not None and ranges[n].data and is_inexact(graph.avals[n])
        ]
        if len(moving) != 1 or (name == "div" and step.operands[1] in moving):
            return None, node
        if name not in _LINEAR and name not in _WITH_CONSTANT:
            return None, node
        if name == "select_n" and _depends_on_data(linted, step):
            return None, node
        node = moving[0]


def _depends_on_data(linted: Linted, where: Step) -> bool:
    predicate = where.operands[0]
    return predicate is None or linted.ranges[predicate].data


def _is_lookup(linted: Linted, node: int) -> bool:
    """Whether a layer reads ones and zeros: it is an embedding."""
    known = linted.ranges[node]
    return known.whole and known.low >= 0 and known.high <= 1


def _is_all(linted: Linted, layers: dict[int, _Layer], first: _Layer) -> bool:
    """Whether a pair belongs to a network of which all is linear."""
    graph = linted.graph
    chain = [first]
    while True:
        before, start = _behind(linted, chain[-1].data, layers)
        if before is None:
            break
        chain.append(before)
    if start not in graph.inputs:
        return False
    follows = {
        layer.step
        for layer in layers.values()
        if _behind(linted, layer.data, layers)[0]
    }
    others = {layer.step for layer in layers.values()} - follows - {chain[-1].step}
    return not others
