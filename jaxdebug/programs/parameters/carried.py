"""Leaves of a state that are no parameters: moments of the optimiser, averages.

What is computed from its old value by arrays of its shape is a leaf of the state
already. The loss computes others from what it meets, such as the statistics of a
batch normalisation, and an optimiser keeps the last gradient: such a leaf stands in
the result at its own path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.parameters.leaves import Leaf
from jaxdebug.programs.places import is_inexact

Path = tuple[str, ...]


def carried_leaves(
    graph: Graph,
    inputs: Sequence[Path],
    outputs: Sequence[Path],
    leaves: Sequence[Leaf],
    trained: Sequence[Leaf],
) -> list[Leaf]:
    """Inexact leaves that a train step is given, and returns new, besides parameters.

    Args:
        graph: the flow of the program.
        inputs: path of each input; the first key is the argument's position.
        outputs: path of each output; the first key is the result's position.
        leaves: those that `state_leaves` found.
        trained: those of them that are parameters.

    Returns:
        Them in the order of the inputs. A leaf that its old value does not lead to
        counts if it stands in the result at its own path, and its argument is a
        state: because another leaf of it is one, or because all of it stands there
        under names, and no parameter's new value reads the leaf. So a batch is no
        state although a model may return its reconstruction.
    """
    known = {leaf.input: leaf for leaf in leaves}
    parameters = {leaf.input for leaf in trained}
    found = {index: leaf for index, leaf in known.items() if index not in parameters}
    states = {inputs[index][:1] for index in known}
    standing = _standing(graph, inputs, outputs)
    missing = {inputs[i][:1] for i in range(len(inputs)) if i not in standing}
    # Of an argument that no leaf is known of, and all of it stands in the result.
    alone = []
    for index, output in standing.items():
        path = inputs[index]
        if index in known or not is_inexact(_aval(graph, index)):
            continue
        if path[:1] in states:
            found[index] = Leaf(path, index, output)
        elif path[:1] not in missing and _is_named(path):
            alone.append(Leaf(path, index, output))
    if alone:
        read = _read(graph, trained)
        found |= {
            one.input: one for one in alone if graph.inputs[one.input] not in read
        }
    return [found[index] for index in sorted(found)]


def _standing(
    graph: Graph, inputs: Sequence[Path], outputs: Sequence[Path]
) -> dict[int, int]:
    """For each input the one output at its path below the result, of its type."""
    places: dict[Path, list[int]] = defaultdict(list)
    for output, path in enumerate(outputs):
        if graph.outputs[output] is not None:
            places[path[1:]].append(output)
    found = {}
    for index, path in enumerate(inputs):
        alike = [*_alike(graph, index, places.get(path[1:], ()) if path[1:] else ())]
        # Objects that a step changes in place stand at their argument's position.
        own = [output for output in alike if outputs[output][:1] == path[:1]]
        chosen = own if len(alike) > 1 else alike
        if len(chosen) == 1:
            found[index] = chosen[0]
    return found


def _alike(graph: Graph, index: int, outputs: Sequence[int]) -> Iterator[int]:
    old = _aval(graph, index)
    for output in outputs:
        node = graph.outputs[output]
        assert node is not None
        new = graph.avals[node]
        if (new.shape, new.dtype) == (old.shape, old.dtype):
            yield output


def _read(graph: Graph, trained: Sequence[Leaf]) -> set[int]:
    """Nodes that the new value of a parameter depends on."""
    ends = [graph.outputs[leaf.output] for leaf in trained]
    return {*graph.before(*(end for end in ends if end is not None))}


def _is_named(path: Path) -> bool:
    return any(not key.isdigit() for key in path[1:])


def _aval(graph: Graph, index: int) -> Any:
    return graph.avals[graph.inputs[index]]
