"""The layers of a program, told by the parameters that its equations consume.

An equation *consumes* a parameter where it joins it, or what is made of it
alone, with data. Equations that consume parameters of one owner (the dictionary
or module that holds them) one right after another are one layer: a product and
the bias added to it, a scale and a shift. Each product begins a layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.flow import LAYOUT, Flow, maker
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import CONTRACTIONS, SUMS
from jaxdebug.programs.scopes import Direction, ModulePath

_LOOK_UPS = frozenset({"gather", "dynamic_slice"})
_BEHIND = ({"transpose"}, {"squeeze"})


@dataclass(eq=False)
class ParameterLayer:
    """One call of a layer."""

    owner: ModulePath
    leaves: dict[int, None] = field(default_factory=dict)
    """Indices of the inputs that it consumes, in the order of the program."""
    consumers: list[Step] = field(default_factory=list)
    members: list[Step] = field(default_factory=list)
    """Its equations: those that consume, and casts and transposes between them."""


def consumed(flow: Flow, step: Step) -> frozenset[int]:
    """The parameters an equation joins with data; none if it does not."""
    operands = [node for node in step.operands if node is not None]
    if not any(node in flow.data for node in operands):
        return frozenset()
    found = (flow.made_of.get(node, frozenset()) for node in operands)
    return frozenset().union(*found)


def parameter_layers(
    graph: Graph,
    flow: Flow,
    parameters: Mapping[int, ModulePath],
    direction: Direction = Direction.FORWARD,
) -> list[ParameterLayer]:
    """Every call of every layer, in the order of the program.

    Args:
        graph: the flow of the program.
        flow: what its arrays are made of.
        parameters: path of each input that is a parameter.
        direction: forward, or what remat computes again.
    """
    is_gradient = any(step.differentiated for step in graph.steps)
    layer_of: dict[Step, ParameterLayer] = {}
    layers: list[ParameterLayer] = []
    for step in graph.steps:
        if step.direction is not direction or step.opened:
            continue
        if is_gradient and not step.differentiated:
            # What is outside the derivative is an optimiser's arithmetic.
            continue
        if not _is_read(graph, step):
            continue
        leaves = consumed(flow, step)
        is_sum = step.equation.primitive in SUMS
        if not leaves and not is_sum:
            continue
        owner = _owner(parameters, leaves) if leaves else None
        before = _layers_before(graph, flow, step, layer_of)
        if not leaves:
            joined = _summed(graph, flow, step, before)
        elif step.equation.primitive in CONTRACTIONS:
            joined = []
        else:
            joined = [
                (layer, between)
                for layer, between in before
                if layer.owner == owner and _goes_with(graph, leaves, layer)
            ]
        if not leaves and not joined:
            continue
        if joined:
            layer = _merged(joined, layers, layer_of)
        else:
            assert owner is not None
            layer = ParameterLayer(owner)
            layers.append(layer)
        layer.leaves |= dict.fromkeys(sorted(leaves))
        layer.members.append(step)
        if leaves:
            layer.consumers.append(step)
        for member in layer.members:
            layer_of[member] = layer
    for layer in layers:
        _add_last_layouts(graph, layer)
    return layers


def _is_read(graph: Graph, step: Step) -> bool:
    """Whether it makes a number that is not for the backward part alone."""
    returned = set(graph.outputs)
    return any(
        passed in returned
        or any(
            reader.direction is step.direction and not reader.opened
            for reader in graph.readers.get(passed, ())
        )
        for node in step.results
        if is_inexact(graph.avals[node])
        for passed in graph.onward(node)
    )


def _owner(parameters: Mapping[int, ModulePath], leaves: frozenset[int]) -> ModulePath:
    """The common path of what holds the parameters."""
    return common_path([parameters[leaf][:-1] for leaf in sorted(leaves)])


def _goes_with(graph: Graph, leaves: frozenset[int], layer: ParameterLayer) -> bool:
    """Whether parameters are a layer's bias or shift, judged by their shapes.

    A table of positions added to looked-up words is a layer of its own.
    """
    if layer.leaves.keys() & leaves:
        return False
    shapes = {graph.avals[graph.inputs[leaf]].shape for leaf in layer.leaves}
    rank = max(map(len, shapes))
    return all(
        len(shape) < rank or shape in shapes
        for shape in (graph.avals[graph.inputs[leaf]].shape for leaf in leaves)
    )


def common_path(paths: list[ModulePath]) -> ModulePath:
    """The keys with which all paths begin."""
    first, last = min(paths), max(paths)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return first[:length]


def _layers_before(
    graph: Graph, flow: Flow, step: Step, layer_of: Mapping[Step, ParameterLayer]
) -> list[tuple[ParameterLayer, list[Step]]]:
    """Layers whose results an equation reads, and what merely moves them there."""
    found = []
    for node in step.operands:
        if node is None or node not in flow.data:
            continue
        between: list[Step] = []
        made_by = maker(graph, node)
        while made_by is not None and made_by not in layer_of:
            operand = made_by.operands[0] if made_by.operands else None
            if made_by.equation.primitive not in LAYOUT or operand is None:
                break
            between.append(made_by)
            made_by = maker(graph, operand)
        if made_by is not None and made_by in layer_of:
            found.append((layer_of[made_by], between))
    return found


def _summed(
    graph: Graph,
    flow: Flow,
    step: Step,
    before: list[tuple[ParameterLayer, list[Step]]],
) -> list[tuple[ParameterLayer, list[Step]]]:
    """The layers an equation adds up, if it does nothing else and one owns them."""
    data = [n for n in step.operands if n is not None and n in flow.data]
    if len(before) < 2 or len(before) != len(data):
        return []
    layers = [layer for layer, _ in before]
    if len({layer.owner for layer in layers}) > 1 or not layers[0].owner:
        return []
    apart = sum(len(layer.leaves) for layer in layers)
    return before if len(set[int]().union(*(x.leaves for x in layers))) == apart else []


def _merged(
    joined: list[tuple[ParameterLayer, list[Step]]],
    layers: list[ParameterLayer],
    layer_of: dict[Step, ParameterLayer],
) -> ParameterLayer:
    first = joined[0][0]
    for layer, between in joined:
        if layer is not first:
            first.leaves |= layer.leaves
            first.consumers += layer.consumers
            first.members += layer.members
            layers.remove(layer)
        first.members += [step for step in between if step not in first.members]
    for member in first.members:
        layer_of[member] = first
    return first


def _add_last_layouts(graph: Graph, layer: ParameterLayer) -> None:
    """Take in what vmap or einsum puts behind a product or a look-up.

    Without its transpose the output would have its axes in an order nobody wrote.
    """
    last = layer.members[-1]
    if last.equation.primitive not in CONTRACTIONS | _LOOK_UPS:
        return
    while True:
        readers = {
            step
            for node in graph.onward(layer.members[-1].results[0])
            for step in graph.readers.get(node, ())
            if not step.opened and step.direction is last.direction
        }
        if {step.equation.primitive for step in readers} not in _BEHIND:
            return
        if len(readers) > 1:
            return
        layer.members += readers


def by_leaf(layers: list[ParameterLayer]) -> dict[int, list[ParameterLayer]]:
    """The calls that consume each parameter."""
    found: dict[int, list[ParameterLayer]] = defaultdict(list)
    for layer in layers:
        for leaf in layer.leaves:
            found[leaf].append(layer)
    return found
