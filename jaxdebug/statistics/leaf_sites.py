"""Sites of a program's inputs: parameters, their gradients, or plain inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.parameters.leaves import Leaf, LeafGradient, short_paths
from jaxdebug.programs.places import Place, Site, is_inexact
from jaxdebug.programs.scopes import Direction


class Update(NamedTuple):
    """A parameter's old and new value, and the place of what is added to it."""

    input: int
    output: int
    added: Place | None = None


class LeafSites(NamedTuple):
    """Sites of a program's inputs, and where their arrays are."""

    inputs: dict[Site, int]
    """Parameters of a train step and the rest of its state; else every inexact
    input."""
    gradients: dict[Site, Place]
    updates: dict[Site, Update]
    unidentified: tuple[tuple[tuple[str, ...], str], ...]
    """Parameters whose gradient was not found, and why."""
    summed: tuple[Site, ...] = ()
    """Gradients that are sums of others."""
    frozen: tuple[tuple[str, ...], ...] = ()
    """Parameters that the step leaves as they are."""


NO_LEAVES = LeafSites({}, {}, {}, ())


def leaf_sites(
    graph: Graph,
    inputs: list[tuple[str, ...]],
    outputs: list[tuple[str, ...]],
    trained: Sequence[LeafGradient],
    carried: Sequence[Leaf] = (),
) -> LeafSites:
    """Find the parameters of a step, their gradients and their updates.

    Args:
        graph: the flow of the program.
        inputs: path of each input; the first key is the argument's position.
        outputs: path of each output.
        trained: leaves of a train step's state, with their gradients.
        carried: other leaves of it.
    """
    measured: dict[Site, int] = {}
    gradients: dict[Site, Place] = {}
    updates: dict[Site, Update] = {}
    unidentified = []
    frozen = []
    summed: list[Site] = []
    short = short_paths(inputs)
    for found in trained:
        leaf = found.leaf
        node, path = graph.inputs[leaf.input], short[leaf.path]
        measured[_leaf_site(graph, node, path, "parameter")] = leaf.input
        site = _leaf_site(graph, node, path, "update")
        updates[site] = Update(leaf.input, leaf.output, found.added)
        if found.is_frozen:
            frozen.append(path)
        elif found.place is None:
            unidentified.append((path, found.reason))
        else:
            site = _leaf_site(graph, node, path, "gradient")
            gradients[site] = found.place
            summed += [site] if found.summed else []
    for leaf in carried:
        node = graph.inputs[leaf.input]
        measured[_leaf_site(graph, node, short[leaf.path], "state")] = leaf.input
    if not gradients:
        gradients = _returned_gradients(graph, inputs, outputs)
    if not measured:
        for index, node in enumerate(graph.inputs):
            if is_inexact(graph.avals[node]):
                path = short[inputs[index]]
                measured[_leaf_site(graph, node, path, "input")] = index
    missed, sums = tuple(unidentified), tuple(summed)
    return LeafSites(measured, gradients, updates, missed, sums, tuple(frozen))


def _returned_gradients(
    graph: Graph, inputs: list[tuple[str, ...]], outputs: list[tuple[str, ...]]
) -> dict[Site, Place]:
    """Outputs that the backward part made."""
    gradients: dict[Site, Place] = {}
    for path, node in zip(outputs, graph.outputs, strict=True):
        step = None if node is None else graph.made_by[node]
        if step is None or node is None or not is_inexact(graph.avals[node]):
            continue
        if step.direction is Direction.BACKWARD:
            name = _input_name(path, inputs, short_paths(inputs))
            site = _leaf_site(graph, node, name, "gradient")
            gradients[site] = Place(step.address, step.results.index(node))
    return gradients


def _input_name(
    path: tuple[str, ...],
    inputs: list[tuple[str, ...]],
    short: dict[tuple[str, ...], tuple[str, ...]],
) -> tuple[str, ...]:
    """A returned gradient under the name of the one input its path ends like."""
    for start in range(len(path)):
        tail = path[start:]
        matching = [p for p in inputs if p[-len(tail) :] == tail]
        if matching:
            return short[matching[0]] if len(matching) == 1 else path
    return path


def _leaf_site(graph: Graph, node: int, path: tuple[str, ...], kind: str) -> Site:
    aval = graph.avals[node]
    return Site(path, kind, 0, tuple(aval.shape), str(aval.dtype), "", None)
