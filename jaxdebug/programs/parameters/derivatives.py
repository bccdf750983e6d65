"""Whether a backward array is the derivative by a given input.

JAX transposes an equation under the traceback that the equation was traced
with. What the equations that read an input and those that made an array have in
common, from the outermost call to the innermost, says whether one is the
derivative by the other. This cannot tell two inputs that one line reads in a
loop: `neighbours` does.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from typing import NamedTuple

from jaxdebug.programs._jax.source import call_chain
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.updates import SAME_VALUE
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import SUMS
from jaxdebug.programs.scopes import Direction, ModulePath

_SAME_ELEMENTS = SAME_VALUE | {
    "broadcast_in_dim",
    "concatenate",
    "reshape",
    "squeeze",
    "transpose",
}


class Claim(IntEnum):
    """How sure it is that an array is the derivative by an input."""

    NONE = 0
    DERIVED = 1
    """By an array computed from the input: a perturbed or averaged copy."""
    DIRECT = 2
    """By the input itself."""


class Readers(NamedTuple):
    """Equations below a derivative that read an input."""

    direct: list[Step]
    derived: list[Step]

    def __bool__(self) -> bool:
        return bool(self.direct or self.derived)

    @property
    def places(self) -> Hashable:
        """Where those that read the input itself were traced: all that a claim asks."""
        return frozenset(tuple(_chains(step)) for step in self.direct)


def readers_below_derivatives(graph: Graph, start: int) -> Readers:
    """The equations that a derivative by this input must transpose."""
    direct: dict[Step, None] = {}
    derived: dict[Step, None] = {}
    seen, queue = {start: True}, [start]
    for node in queue:
        own = seen[node]
        onward = dict.fromkeys(graph.feeds.get(node, ()), own)
        for step in graph.readers.get(node, ()):
            if step.opened or step.direction is Direction.BACKWARD:
                continue
            primitive = step.equation.primitive
            if step.differentiated:
                (direct if own else derived)[step] = None
                follows = primitive in SUMS and _like(graph, step, node)
                still = own
            else:
                grows = primitive in ("broadcast_in_dim", "concatenate")
                follows = grows or _like(graph, step, node)
                still = own and primitive in _SAME_ELEMENTS
            if follows:
                onward.update({n: still for n in step.results if n not in onward})
        for later, still in onward.items():
            if is_inexact(graph.avals[later]) and seen.get(later, -1) < still:
                seen[later] = still
                queue.append(later)
    return Readers([*direct], [s for s in derived if s not in direct])


def _like(graph: Graph, step: Step, node: int) -> bool:
    """Whether the result can stand for the operand: as many elements."""
    size = graph.avals[node].size
    return all(getattr(graph.avals[n], "size", None) == size for n in step.results)


def makers(graph: Graph, gradient: int) -> list[Step]:
    """The backward equations that made an array: several where it is a sum."""
    found: dict[Step, None] = {}
    seen, queue = {gradient}, [gradient]
    for node in queue:
        step = graph.made_by[node]
        before = list(graph.fed_by.get(node, ()))
        if step is not None and not step.opened:
            if step.direction is Direction.BACKWARD:
                found[step] = None
            if step.equation.primitive == "add_any":
                before += [n for n in step.operands if n is not None]
        fresh = [n for n in before if n not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return [*found]


def claim(readers: Readers, made: list[Step], path: bool = False) -> Claim:
    """Whether equations that made an array transpose equations that read an input.

    Args:
        readers: what reads the input below a derivative.
        made: what made the array.
        path: the module paths must agree as well.
    """
    for steps, strength in (
        (readers.direct, Claim.DIRECT),
        (readers.derived, Claim.DERIVED),
    ):
        if any(transposes(m, s, path) for s in steps for m in made):
            return strength
    return Claim.NONE


def transposes(backward: Step, forward: Step, path: bool = False) -> bool:
    """Whether a backward equation may be what JAX made of a forward one.

    Args:
        backward: an equation of the backward part.
        forward: an equation that a derivative transposes.
        path: the module paths must agree as well.
    """
    if path and not _ends_alike(backward.path, forward.path):
        return False
    few, many = sorted((_chains(backward), _chains(forward)), key=len)
    return all(any(_related(a, b) for b in many) for a in few)


def _ends_alike(one: ModulePath, other: ModulePath) -> bool:
    length = min(len(one), len(other))
    return one[len(one) - length :] == other[len(other) - length :]


def _chains(step: Step) -> list[tuple[object, ...]]:
    """Where the equation and those that enclose it were traced."""
    every = (*step.equation.enclosing, step.equation)
    return [call_chain(equation.raw) for equation in every]


def _related(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether one call is the other, or inside it: a rule inside what it is for."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]
