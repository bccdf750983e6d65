"""Which input of a train step is a parameter, and which array is its gradient.

The gradient of a leaf is the array of its shape that leaves the backward part
of the program and leads, through arrays of the same shape, to the leaf's new
value. With several candidates or none the gradient is not identified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.scopes import Direction
from jaxdebug.programs.sites import Place, is_inexact


class Leaf(NamedTuple):
    """One leaf of the state that goes into a step and comes out new."""

    path: tuple[str, ...]
    """Position of the argument, then the leaf's path in it."""
    input: int
    """Index among the program's flat inputs."""
    output: int
    """Index among the program's flat outputs."""


class LeafGradient(NamedTuple):
    """A leaf and where its gradient appears, or why that is not known."""

    leaf: Leaf
    place: Place | None
    reason: str = ""


def path_names(tree: object) -> list[tuple[str, ...]]:
    """The path of every leaf of a pytree, key by key."""
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [
        tuple(jax.tree_util.keystr((key,), simple=True) for key in path)
        for path, _ in paths
    ]


def state_leaves(
    inputs: Sequence[tuple[str, ...]],
    outputs: Sequence[tuple[str, ...]],
    graph: Graph,
) -> list[Leaf]:
    """Pairs of an input and an output that are the same leaf of a state.

    Args:
        inputs: path of each input; the first key is the argument's position.
        outputs: path of each output; the first key is the result's position.
        graph: the flow of the program, for shapes and dtypes.
    """
    pairs = []
    for index, path in enumerate(inputs):
        aval = graph.avals[graph.inputs[index]]
        if not is_inexact(aval):
            continue
        # A state that is the whole result has no position in front of its path.
        matching = [
            (out_path[:1] != path[:1], out)
            for out, out_path in enumerate(outputs)
            if path[1:] in (out_path[1:], out_path) and _same_type(graph, aval, out)
        ]
        if matching and len(path) > 1:
            pairs.append(Leaf(path, index, min(matching)[1]))
    return pairs


def _same_type(graph: Graph, aval: Any, output: int) -> bool:
    node = graph.outputs[output]
    if node is None:
        return False
    other = graph.avals[node]
    return (aval.shape, aval.dtype) == (other.shape, other.dtype)


def leaf_gradients(graph: Graph, leaves: Sequence[Leaf]) -> list[LeafGradient]:
    """The gradient of each leaf that the program differentiates and replaces.

    Left out are leaves that no derivative reads (moments of the optimiser) and
    those whose new value depends on no backward array (batch statistics).
    """
    found = []
    for leaf in leaves:
        output = graph.outputs[leaf.output]
        if output is None or output == graph.inputs[leaf.input]:
            continue
        nodes, reads_itself = _leaving_backward(graph, output, graph.inputs[leaf.input])
        if not nodes or not reads_itself or not _is_differentiated(graph, leaf):
            continue
        if len(nodes) > 1:
            found.append(
                LeafGradient(leaf, None, f"{len(nodes)} arrays could be its gradient")
            )
            continue
        step = graph.made_by[nodes[0]]
        assert step is not None
        place = Place(step.address, step.results.index(nodes[0]))
        found.append(LeafGradient(leaf, place))
    return found


def _is_differentiated(graph: Graph, leaf: Leaf) -> bool:
    """Whether the leaf is read below a derivative: not so an optimiser's moments."""
    return any(
        step.differentiated
        for node in graph.onward(graph.inputs[leaf.input])
        for step in graph.readers.get(node, ())
    )


def _leaving_backward(graph: Graph, output: int, start: int) -> tuple[list[int], bool]:
    """Backward arrays reached from a new value through arrays of its shape."""
    shape = graph.avals[output].shape
    seen, queue, found, reads_itself = {output}, [output], [], False
    while queue:
        node = queue.pop()
        reads_itself = reads_itself or node == start
        step = graph.made_by[node]
        if step is not None and step.direction is Direction.BACKWARD:
            if node not in found:
                found.append(node)
            continue
        before = list(graph.fed_by.get(node, ()))
        if step is not None and not step.opened:
            before += [n for n in step.operands if n is not None]
        for earlier in before:
            if earlier not in seen and graph.avals[earlier].shape == shape:
                seen.add(earlier)
                queue.append(earlier)
    return found, reads_itself
