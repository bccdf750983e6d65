"""Random numbers that a program draws, and the inputs that their keys are made of."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.parameters.flow import LAYOUT

GENERATORS = frozenset({"random_bits", "threefry2x32", "rng_bit_generator"})
"""Primitives that make bits of a key."""

_BRANCHING = frozenset({"cond", "while"})

_NAMES = """
    abs add bitcast_convert_type clamp cos div eq erf_inv exp floor ge gt integer_pow le
    log log1p lt max min mul ne neg nextafter not or and pow rem select_n shift_left
    shift_right_logical sign sin sqrt square sub tan xor
"""
_ELEMENTWISE = frozenset(_NAMES.split())


class Draw(NamedTuple):
    """Random numbers that are noise on data."""

    roots: tuple[int, ...]
    """Inputs that the key depends on; none if it is the same at every call."""
    step: Step


def noise_draws(graph: Graph, parameters: Iterable[int]) -> list[Draw]:
    """Draws of which every number meets one element of something made of data.

    As in dropout, noise and sampled labels. Not random features, which are weights and
    may be the same for ever: those meet data in a product of matrices, and theirs are
    the only random numbers that a program may want to repeat.

    Args:
        graph: the flow of the program.
        parameters: inputs that are trained.
    """
    inputs = {node: index for index, node in enumerate(graph.inputs)}
    roots = {
        step.address: tuple(n for n in _before(graph, step) if n in inputs)
        for step in graph.steps
        if step.equation.primitive in GENERATORS and not _makes_key(graph, step)
    }
    if not roots:
        return []
    no_data = {graph.inputs[index] for index in parameters}.union(*roots.values())
    given = [node for node in graph.inputs if node not in no_data]
    data = set(reached(given, lambda node: _onward(graph, node)))
    found = []
    for address, nodes in roots.items():
        step = graph.step_at(address)
        if _is_noise(graph, step.results, data):
            found.append(Draw(tuple(sorted(map(inputs.__getitem__, nodes))), step))
    return found


def _makes_key(graph: Graph, step: Step) -> bool:
    """Whether its bits are only made into another key, as in a split or a fold_in."""
    if step.equation.primitive == "random_bits":
        return False
    later = reached(step.results, lambda node: _onward(graph, node))
    return any(
        reader.equation.primitive in GENERATORS
        for node in later
        for reader in graph.readers.get(node, ())
    )


def _onward(graph: Graph, node: int) -> list[int]:
    nodes = list(graph.feeds.get(node, ()))
    for step in graph.readers.get(node, ()):
        nodes += () if step.opened else step.results
    return nodes


def _before(graph: Graph, step: Step) -> set[int]:
    """All that the bits depend on, and all that decides which bits they are."""

    def before(node: int) -> list[int]:
        maker = graph.made_by[node]
        nodes = list(graph.fed_by.get(node, ()))
        opened = graph.entered.get(node)
        if opened is not None and opened[0].equation.primitive in _BRANCHING:
            nodes += [n for n in opened[0].operands if n is not None]
        branches = maker is not None and maker.equation.primitive in _BRANCHING
        if maker is not None and (not maker.opened or branches):
            nodes += [n for n in maker.operands if n is not None]
        return nodes

    return set(reached([n for n in step.operands if n is not None], before))


def _is_noise(graph: Graph, bits: Iterable[int], data: Container[int]) -> bool:
    """Whether each number meets one element of what depends on data."""
    queue = list(bits)
    seen = set(queue)
    for node in queue:
        onward = list(graph.feeds.get(node, ()))
        for step in graph.readers.get(node, ()):
            primitive = step.equation.primitive
            if step.opened:
                continue
            if primitive in LAYOUT or primitive == "random_unwrap":
                onward += step.results
            elif primitive in _ELEMENTWISE and _is_as_large(graph, step, node):
                others = [n for n in step.operands if n is not None and n not in seen]
                if any(n in data and _size(graph, n) > 1 for n in others):
                    return True
                onward += step.results
        fresh = [n for n in dict.fromkeys(onward) if n not in seen]
        seen.update(fresh)
        queue += fresh
    return False


def _is_as_large(graph: Graph, step: Step, node: int) -> bool:
    return _size(graph, step.results[0]) == _size(graph, node) > 1


def _size(graph: Graph, node: int) -> int:
    return getattr(graph.avals[node], "size", 0)
