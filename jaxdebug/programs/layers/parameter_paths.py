"""Names of layers where no scope names them: the path of their parameters.

Plain pytrees of parameters open no scopes, and all instances of an Equinox layer
share one. There a layer is called after the parameters that its equations
consume: `layers/0` if they are all of those under that path, `attn/q` or
`mlp/w1+b1` if others under it belong to other layers. Scopes that tell layers
apart, as Linen's, are left alone; so is what cannot be told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.layers.parameter_calls import calls_of
from jaxdebug.programs.layers.parameter_cotangents import backward_of
from jaxdebug.programs.layers.parameter_layers import (
    ParameterLayer,
    by_leaf,
    common_path,
    parameter_layers,
)
from jaxdebug.programs.markers import Label, mark_of
from jaxdebug.programs.parameters.flow import parameter_flow, source
from jaxdebug.programs.parameters.leaves import LeafGradient, short_paths
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.scopes import Direction, ModulePath


class Parameters(NamedTuple):
    """The inputs of a program that are parameters."""

    paths: dict[int, ModulePath]
    """By index among the flat inputs: the path, without the argument's position where
    no other argument has the same path."""
    gradients: dict[int, int]
    """Node of the gradient of each one whose gradient the program makes."""
    arguments: frozenset[ModulePath] = frozenset()
    """Positions of arguments that are the first key of a path."""
    renewed: Mapping[int, int] = MappingProxyType({})
    """Node of the new value that a step makes of a parameter: which one it is."""


class Named(NamedTuple):
    """A graph whose steps are called after the parameters they consume."""

    graph: Graph
    unidentified: tuple[tuple[ModulePath, str], ...]
    """Layers whose cotangent could not be told, with the reason."""
    outputs: Mapping[int, int] = MappingProxyType({})
    """For each cotangent that is certain, the layer's output that it is of."""


def find_parameters(
    graph: Graph,
    inputs: Sequence[tuple[str, ...]],
    outputs: Sequence[tuple[str, ...]],
    trained: Sequence[LeafGradient],
) -> Parameters:
    """Which inputs of a program are parameters, judged by what it does with them.

    In a train step those whose gradient leads to their new value; in a gradient
    function those whose gradient is returned under the end of their path; in any
    other function the first argument, where there are more.

    Args:
        graph: the flow of the program.
        inputs: path of each input; the first key is the argument's position.
        outputs: path of each output.
        trained: leaves of a train step's state, with their gradients.
    """
    short = short_paths(inputs)
    paths: dict[int, ModulePath] = {}
    gradients: dict[int, int] = {}
    renewed: dict[int, int] = {}
    for leaf, place in ((found.leaf, found.place) for found in trained):
        paths[leaf.input] = short[leaf.path]
        new = graph.outputs[leaf.output]
        if place is not None and new is not None:
            renewed[source(graph, new)] = leaf.input
            step = graph.step_at(place.address)
            node = place.of(step.operands, step.results)
            if node is not None:
                gradients[leaf.input] = node
    if not paths:
        for index, node in _returned_gradients(graph, inputs, outputs):
            paths[index] = short[inputs[index]]
            gradients[index] = node
    if not paths:
        first = inputs[0][:1] if inputs else ()
        if any(path[:1] != first for path in inputs):
            paths = {
                index: short[path]
                for index, path in enumerate(inputs)
                if path[:1] == first and is_inexact(graph.avals[graph.inputs[index]])
            }
    # An argument that is one array has no name.
    named = {index: path for index, path in paths.items() if len(inputs[index]) > 1}
    kept = (inputs[index] for index, path in named.items() if path == inputs[index])
    arguments = frozenset(path[:1] for path in kept)
    return Parameters(named, gradients, arguments, renewed)


def _returned_gradients(
    graph: Graph,
    inputs: Sequence[tuple[str, ...]],
    outputs: Sequence[tuple[str, ...]],
) -> list[tuple[int, int]]:
    """Pairs of an input and the returned backward array that its path ends like."""
    found = []
    for path, node in zip(outputs, graph.outputs, strict=True):
        step = None if node is None else graph.made_by[node]
        if node is None or step is None or step.direction is not Direction.BACKWARD:
            continue
        for start in range(len(path) + 1):
            tail = path[start:]
            matching = [
                index
                for index, other in enumerate(inputs)
                if other[len(other) - len(tail) :] == tail
                and _same_type(graph, graph.inputs[index], node)
            ]
            if matching:
                found += [(matching[0], node)] if len(matching) == 1 else []
                break
    times = Counter(index for index, _ in found)
    return [(index, node) for index, node in found if times[index] == 1]


def _same_type(graph: Graph, first: int, second: int) -> bool:
    a, b = graph.avals[first], graph.avals[second]
    return (a.shape, a.dtype) == (b.shape, b.dtype)


def with_parameter_paths(
    graph: Graph, parameters: Parameters, shared: tuple[str, ...] = ()
) -> Named:
    """Call layers that no scope tells apart after the parameters they consume.

    Args:
        graph: the flow of the program.
        parameters: the inputs that are parameters, and their gradients.
        shared: beginnings of scopes that all instances of a layer have in common,
            such as "eqx.nn."; they name no layer whose parameters do.

    Limits:
        A program whose scopes have marks is left as it is: its modules have exact
        names. So have modules that are marked by the path of their parameters.
    """
    labels = _labels(graph)
    if not parameters.paths or any(not label.of_parameters for label in labels):
        return Named(graph, ())
    marked = {"/".join(label.path) for label in labels}
    flow = parameter_flow(
        graph, parameters.paths, parameters.gradients, parameters.renewed
    )
    layers = parameter_layers(graph, flow, parameters.paths)
    backward = backward_of(graph, flow, parameters.gradients)
    calls = by_leaf(layers)
    covering = _covering(layers, shared)
    plain = _plain_paths(graph, covering)
    named = _names(layers, parameters.paths, parameters.arguments)
    paths: dict[Step, ModulePath] = {**plain}
    unidentified: list[tuple[ModulePath, str]] = []
    called: dict[ModulePath, list[ParameterLayer]] = defaultdict(list)
    scopes = {
        layer: common_path([plain.get(s, s.path) for s in layer.members])
        for layer in layers
    }
    for layer in layers:
        if _tells_apart(scopes[layer], layer, scopes):
            continue
        path = (*scopes[layer], named[layer])
        paths.update(dict.fromkeys(layer.members, path))
        if path[-1] not in marked:
            called[path].append(layer)
    outputs: dict[int, int] = {}
    for path, those in called.items():
        found = calls_of(backward, those, calls)
        paths.update(dict.fromkeys(found.readers, path))
        outputs |= found.outputs
        if found.reason:
            unidentified.append((path, found.reason))
    return Named(_renamed(graph, paths), tuple(unidentified), outputs)


def _labels(graph: Graph) -> set[Label]:
    marks = (mark_of(step.equation.raw) for step in graph.marks)
    return {mark.label for mark in marks if mark is not None}


def _covering(
    layers: Sequence[ParameterLayer], shared: tuple[str, ...]
) -> frozenset[ModulePath]:
    """The shared scopes around what consumes parameters, with what is around them."""
    return frozenset(
        step.path[: depth + 1]
        for layer in layers
        for step in layer.members
        for depth, scope in enumerate(step.path)
        if scope.startswith(shared)
    )


def _plain_paths(
    graph: Graph, covering: frozenset[ModulePath]
) -> dict[Step, ModulePath]:
    """Paths without those scopes, of the steps that stand in them."""
    plain: dict[Step, ModulePath] = {}
    if not covering:
        return plain
    for step in graph.steps:
        path = tuple(
            scope
            for depth, scope in enumerate(step.path)
            if step.path[: depth + 1] not in covering
        )
        if path != step.path:
            plain[step] = path
    return plain


def _names(
    layers: Sequence[ParameterLayer],
    paths: Mapping[int, ModulePath],
    arguments: Collection[ModulePath],
) -> dict[ParameterLayer, str]:
    """What each layer is called: its owner, or the leaves that are its own.

    What holds other layers too is not called after one of them.
    """
    owned: dict[ModulePath, set[int]] = defaultdict(set)
    for layer in layers:
        owned[layer.owner].update(layer.leaves)
    named = {}
    for layer in layers:
        ends = ["/".join(paths[leaf][len(layer.owner) :]) for leaf in layer.leaves]
        last = "+".join(ends)
        alone = not any(_is_inside(other, layer.owner) for other in owned)
        whole = alone and layer.owner and layer.leaves.keys() == owned[layer.owner]
        # A position alone, of an argument that has the paths of another, is no name.
        whole = whole and layer.owner not in arguments
        named[layer] = "/".join(layer.owner if whole else (*layer.owner, last))
    return named


def _is_inside(path: ModulePath, owner: ModulePath) -> bool:
    return len(path) > len(owner) and path[: len(owner)] == owner


def _tells_apart(
    scope: ModulePath,
    layer: ParameterLayer,
    scopes: Mapping[ParameterLayer, ModulePath],
) -> bool:
    """Whether a scope names the layer: it is spelled alike, or holds one owner."""
    if not scope:
        return False
    if layer.owner and scope[-1] == layer.owner[-1].rpartition("/")[2]:
        return True
    return len({x.owner for x, other in scopes.items() if other == scope}) == 1


def _renamed(graph: Graph, paths: Mapping[Step, ModulePath]) -> Graph:
    """The graph with other paths of some steps."""
    if not paths:
        return graph
    at = {step.address: paths.get(step, step.path) for step in graph.steps}
    new = {
        step: replace(step, path=at[step.address], base=at[step.address[:-2]])
        if len(step.address) > 1
        else replace(step, path=at[step.address])
        for step in graph.steps
    }
    return graph.with_steps(new)
