"""Which input of a train step is a parameter, and which array is its gradient.

The gradient of a leaf is the array of its shape that leaves the backward part of
the program, is a derivative by that leaf, and leads to its new value. Gradients
of several micro-batches, examples, losses or devices that are only added up
count as one: their sum. With several other candidates, or none, the gradient is
not identified, and the reason is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.parameters.claims import (
    Claimant,
    claimants,
    own_gradients,
    owners_of,
)
from jaxdebug.programs.parameters.gradient_sums import sum_of
from jaxdebug.programs.parameters.packed import packed_gradient, parts_of
from jaxdebug.programs.parameters.reshaped import inner_end, inner_forms, inner_pair
from jaxdebug.programs.parameters.updates import trail_of
from jaxdebug.programs.places import Place, is_inexact

UNCHANGED = "its new value is its old one"
ZERO_UPDATE = "its update is always zero"
NO_GRADIENT = "no gradient of its shape leads to its new value"
CHANGED_BEFORE_ADDED = (
    "each example has a gradient of its own, which is changed before they are added"
)

CHANGED_IN_ONE = (
    "its gradient is part of one vector, which is changed before it is taken apart"
)


class Leaf(NamedTuple):
    """One leaf of the state that goes into a step and comes out new."""

    path: tuple[str, ...]
    """Position of the argument, then the leaf's path in it."""
    input: int
    """Index among the program's flat inputs."""
    output: int
    """Index among the program's flat outputs."""


class LeafGradient(NamedTuple):
    """A trained leaf and where its gradient appears, or why that is not known."""

    leaf: Leaf
    place: Place | None
    reason: str = ""
    summed: bool = False
    """Whether it is a sum: over micro-batches, examples, losses or devices."""
    added: Place | None = None
    """Δ in the final p + Δ, or p - Δ: an operand; None if it cannot be told."""

    @property
    def is_frozen(self) -> bool:
        """Whether the step leaves it as it is: it was not missed."""
        return self.reason in (UNCHANGED, ZERO_UPDATE)


def path_names(tree: object) -> list[tuple[str, ...]]:
    """The path of every leaf of a pytree, key by key, as its framework spells it."""
    nodes, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_box)
    names = []
    for path, node in nodes:
        inner = [()]
        if _is_box(node):
            leaves, _ = jax.tree_util.tree_flatten_with_path(node)
            # The array itself is `value` of its box: no name of the user's.
            inner = [below[1:] for below, _ in leaves]
        names += [tuple(n for key in (*path, *end) for n in _key(key)) for end in inner]
    return names


def short_paths(
    paths: Sequence[tuple[str, ...]],
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Paths without the argument they are in, where no two become the same."""
    # An argument that is an array itself keeps its position as its name.
    times = Counter(path[1:] or path for path in paths)
    return {
        path: path[1:] if len(path) > 1 and times[path[1:]] == 1 else path
        for path in paths
    }


def _key(key: Any) -> tuple[str, ...]:
    """One key of a path as text; a key may stand for several, or for none."""
    names = getattr(key, "names", None)
    return (jax.tree_util.keystr((key,), simple=True),) if names is None else names


def _is_box(node: object) -> bool:
    """Whether it is an NNX variable or a boxed Linen parameter; imports no Flax."""
    return _is_box_class(type(node))


_BOXES = ("flax.nnx.variablelib", "flax.core.meta")


@cache
def _is_box_class(cls: type) -> bool:
    return any(base.__module__ in _BOXES for base in cls.__mro__)


def state_leaves(
    inputs: Sequence[tuple[str, ...]],
    outputs: Sequence[tuple[str, ...]],
    graph: Graph,
) -> list[Leaf]:
    """Pairs of an input and an output that are the same leaf of a state.

    The output is computed from the input, has its shape, and ends in its path:
    where it stands in the result does not matter.

    Args:
        inputs: path of each input; the first key is the argument's position.
        outputs: path of each output; the first key is the result's position.
        graph: the flow of the program.
    """
    readable: dict[int, list[int]] = {}
    for index, node in enumerate(graph.outputs):
        if node is not None and is_inexact(graph.avals[node]):
            parts = (part.node for part in parts_of(graph, node).onward)
            trail = trail_of(graph, inner_end(graph, node)).nodes
            for earlier in {**trail, **dict.fromkeys(parts)}:
                readable.setdefault(earlier, []).append(index)
    pairs = []
    for index, path in enumerate(inputs):
        node = graph.inputs[index]
        forms = inner_forms(graph, node)
        reading = {out for form in forms for out in readable.get(form, ())}
        ranked = sorted(
            (_likeness(graph, node, path, out, outputs[out]), out)
            for out in reading
            if _shape(graph, graph.outputs[out]) == _shape(graph, node)
        )
        if not ranked:
            continue
        best, output = ranked[-1]
        unsure = len(ranked) > 1 and ranked[-2][0] == best
        if not unsure and (best[1] or len(path) == 1):
            pairs.append(Leaf(path, index, output))
    return pairs


def _shape(graph: Graph, node: int | None) -> Any:
    return None if node is None else graph.avals[node].shape


def _likeness(
    graph: Graph,
    node: int,
    path: tuple[str, ...],
    output: int,
    output_path: tuple[str, ...],
) -> tuple[bool, int, bool]:
    """Same dtype; how many last keys agree; whether the position does."""
    new = graph.outputs[output]
    assert new is not None
    common = 0
    for one, other in zip(reversed(path), reversed(output_path), strict=False):
        if one != other:
            break
        common += 1
    same_dtype = graph.avals[new].dtype == graph.avals[node].dtype
    return same_dtype, common, output_path[:1] == path[:1]


def leaf_gradients(graph: Graph, leaves: Sequence[Leaf]) -> list[LeafGradient]:
    """The gradient and the update of each trained or frozen parameter.

    Left out is what is no parameter: leaves that no derivative reads (moments of
    the optimiser), that the loss itself computes (batch statistics), and averages
    of parameters.
    """
    found = claimants(graph, [_old_and_new(graph, leaf) for leaf in leaves])
    claiming = {
        leaf: claimant
        for leaf, claimant in zip(leaves, found, strict=True)
        if claimant is not None
    }
    gradients = (_gradient_of(graph, leaf, claiming) for leaf in claiming)
    return [gradient for gradient in gradients if gradient is not None]


def _old_and_new(graph: Graph, leaf: Leaf) -> tuple[int, int]:
    new = graph.outputs[leaf.output]
    assert new is not None, "a leaf's new value is computed from its old one"
    return inner_pair(graph, graph.inputs[leaf.input], new)


def _gradient_of(
    graph: Graph, leaf: Leaf, claiming: Mapping[Leaf, Claimant]
) -> LeafGradient | None:
    claimant = claiming[leaf]
    own, trail = own_gradients(claimant, [*claiming.values()])
    changed, found = CHANGED_BEFORE_ADDED, own
    if own:
        node = sum_of(graph, trail, own)
    else:
        packed = packed_gradient(graph, claimant.start, claimant.parts)
        changed, found = CHANGED_IN_ONE, packed
        node = packed[0] if len(packed) == 1 else None
    if node is not None:
        step = graph.made_by[node]
        assert step is not None
        place = Place(step.address, step.results.index(node))
        return LeafGradient(leaf, place, "", node not in found, claimant.added)
    reason: str | None = changed
    if not found:
        reason = _why_none(claimant, claiming)
    elif len(found) > 1:
        reason = f"{len(found)} arrays could be its gradient"
    if reason is None:
        return None
    return LeafGradient(leaf, None, reason, added=claimant.added)


def _why_none(claimant: Claimant, claiming: Mapping[Leaf, Claimant]) -> str | None:
    """Why a leaf has no gradient; None if it is no parameter."""
    if not claimant.readers.direct:
        return None
    if not claimant.trail.computed:
        return UNCHANGED
    if not claimant.is_moved:
        return None
    if claimant.adds_nothing:
        return ZERO_UPDATE
    trained = [other for other in claiming.values() if other.claims]
    if any(claimant.averages(other) for other in trained):
        return None
    owners = {
        owner
        for node in claimant.trail.gradients
        for owner in owners_of(claimant.graph, node, [*claiming.values()])
    }
    names = ["/".join(leaf.path) for leaf, other in claiming.items() if other in owners]
    if names:
        return f"{NO_GRADIENT}, only that of {', '.join(names)}"
    return NO_GRADIENT
