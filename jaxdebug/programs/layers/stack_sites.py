"""Layers by the name stacks of a program: for what no mark tells about.

A layer's *output* is an inexact array made under the module's path that some
forward equation outside the path reads, or that leaves the program. Its
*cotangent* is what enters the path's backward equations from outside with the
output's shape and dtype. Where several arrays could be meant, none is reported
and the module is listed as not identified.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from types import MappingProxyType

from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.layers.paired_calls import in_opposite_order
from jaxdebug.programs.parameters.flow import source
from jaxdebug.programs.places import Found, Place, is_inexact
from jaxdebug.programs.scopes import Direction, ModulePath

NO_OUTPUTS: Mapping[int, int] = MappingProxyType({})


def stack_sites(
    graph: Graph,
    marked: Collection[ModulePath],
    known: Mapping[int, int] = NO_OUTPUTS,
) -> tuple[list[Found], list[tuple[ModulePath, str]]]:
    """Arrays of the layers that have no marks, outputs first.

    Args:
        graph: the flow of the program.
        marked: paths in the name stacks of modules that have marks.
        known: for some cotangents, the output that each is of.

    Returns:
        The arrays, and the paths whose cotangent could not be told, each with
        the reason.
    """
    outputs = {
        path: places
        for path, places in _outputs(graph).items()
        if not _is_marked(path, marked)
    }
    found = []
    for path, places in outputs.items():
        found += _found(path, "output", dict(enumerate(places)))
    unidentified = []
    for path, entering in _entering(graph, outputs).items():
        matched, reason = _matched(graph, outputs[path], entering, known)
        found += _found(path, "cotangent", matched)
        if reason:
            unidentified.append((path, reason))
    return found, unidentified


def _is_marked(path: ModulePath, marked: Collection[ModulePath]) -> bool:
    """Whether it is a marked module, or the end of its path.

    Where JAX moves an equation out of a loop it drops the scopes around the loop.
    """
    return any(path == module[-len(path) :] for module in marked)


def _found(
    path: ModulePath, kind: str, places: dict[int, tuple[Step, Place]]
) -> list[Found]:
    found = []
    for count, (step, place) in places.items():
        node = (step.operands if place.operand else step.results)[place.index]
        assert node is not None
        equation = step.equation
        found.append(
            Found(path, kind, count, place, node, equation.primitive, equation.line)
        )
    return found


def _matched(
    graph: Graph,
    outputs: list[tuple[Step, Place]],
    entering: list[tuple[Step, Place]],
    known: Mapping[int, int],
) -> tuple[dict[int, tuple[Step, Place]], str]:
    """The cotangent of each output, by its index, and what could not be told.

    Outputs of one shape and dtype have as many cotangents, or none is told, but for
    those that are known.
    """
    told = _known(graph, outputs, entering, known)
    if len(told) == len(entering):
        return told, ""
    of_type: dict[object, tuple[list[int], list[tuple[Step, Place]]]] = {}
    for index, (step, place) in enumerate(outputs):
        kind = _signature(graph, step.results[place.index])
        of_type.setdefault(kind, ([], []))[0].append(index)
    for step, place in entering:
        node = step.operands[place.index]
        assert node is not None
        of_type[_signature(graph, node)][1].append((step, place))
    matched: dict[int, tuple[Step, Place]] = {}
    reasons = []
    for indices, found in of_type.values():
        if not found:
            continue
        makers = [outputs[index][0].address for index in indices]
        order = in_opposite_order(makers, [step.address for step, _ in found])
        if order is not None:
            matched.update(
                (indices[i], one) for i, one in zip(order, found, strict=True)
            )
        elif len(indices) == len(found):
            reasons.append(f"{len(indices)} outputs in several backward passes")
        else:
            reasons.append(
                f"{len(indices)} outputs of one shape, but arrays of that shape "
                f"entering its backward part: {len(found)}"
            )
    return dict(sorted(matched.items())), "; ".join(reasons)


def _known(
    graph: Graph,
    outputs: list[tuple[Step, Place]],
    entering: list[tuple[Step, Place]],
    known: Mapping[int, int],
) -> dict[int, tuple[Step, Place]]:
    indices = {step.results[place.index]: i for i, (step, place) in enumerate(outputs)}
    found = {}
    for step, place in entering:
        node = step.operands[place.index]
        index = (
            None if node is None else indices.get(known.get(source(graph, node), -1))
        )
        if index is not None:
            found[index] = step, place
    return dict(sorted(found.items()))


def _outputs(graph: Graph) -> dict[ModulePath, list[tuple[Step, Place]]]:
    found: dict[ModulePath, list[tuple[Step, Place]]] = defaultdict(list)
    returned = {node for node in graph.outputs if node is not None}
    for step in graph.steps:
        if step.direction is not Direction.FORWARD or not step.path:
            continue
        shared = len(step.base)
        for index, node in enumerate(step.results):
            if not is_inexact(graph.avals[node]):
                continue
            readers = _forward_reader_paths(graph, step, node, returned)
            for depth in range(shared + 1, len(step.path) + 1):
                module = step.path[:depth]
                if any(reader[:depth] != module for reader in readers):
                    found[module].append((step, Place(step.address, index)))
    return found


_RETURNED: ModulePath = ("",)
"""Stands for the caller of the program: under no module's path."""


def _forward_reader_paths(
    graph: Graph, maker: Step, node: int, returned: set[int]
) -> set[ModulePath]:
    readers: set[ModulePath] = set()
    for passed in graph.onward(node):
        if passed in returned:
            readers.add(_RETURNED)
        for step in graph.readers.get(passed, ()):
            # What is opened only hands the value on, to a reader inside.
            if step.direction is Direction.FORWARD and not step.opened:
                readers.add(maker.path if _hoisted(maker, step) else step.path)
    return readers


def _hoisted(maker: Step, reader: Step) -> bool:
    """Whether a derivative moved the maker out of the loop that the reader is in.

    JAX then drops the scopes around the loop: what is left of the maker's path
    stands in the middle of the reader's.
    """
    if maker.differentiated or not reader.differentiated:
        return False
    length = len(maker.path)
    return any(
        reader.path[start : start + length] == maker.path
        for start in range(1, len(reader.path) - length + 1)
    )


def _entering(
    graph: Graph, outputs: dict[ModulePath, list[tuple[Step, Place]]]
) -> dict[ModulePath, list[tuple[Step, Place]]]:
    """For each module with backward equations: the cotangents that enter it."""
    shapes = {
        path: {_signature(graph, step.results[place.index]) for step, place in places}
        for path, places in outputs.items()
    }
    found: dict[ModulePath, dict[int, tuple[Step, Place]]] = {}
    for step in graph.steps:
        if step.direction is not Direction.BACKWARD or step.opened:
            continue
        for depth in range(1, len(step.path) + 1):
            module = step.path[:depth]
            if module not in shapes:
                continue
            known = found.setdefault(module, {})
            if step.equation.primitive == "add_any":
                # What is only added to is the cotangent of something the module
                # reads, such as a parameter or its input, so far.
                continue
            for index, node in enumerate(step.operands):
                if node is None or _signature(graph, node) not in shapes[module]:
                    continue
                entry = _entry(graph, node, module)
                if entry not in known and _comes_from_outside(graph, entry, module):
                    known[entry] = (step, Place(step.address, index, operand=True))
    return {module: list(known.values()) for module, known in found.items()}


def _signature(graph: Graph, node: int) -> tuple[object, object]:
    aval = graph.avals[node]
    return getattr(aval, "shape", None), getattr(aval, "dtype", None)


def _entry(graph: Graph, node: int, module: ModulePath) -> int:
    """The node as it first comes under the module: outside bodies of the module."""
    while node in graph.entered:
        step, outside = graph.entered[node]
        if outside is None or step.path[: len(module)] != module:
            break
        node = outside
    return node


def _comes_from_outside(graph: Graph, node: int, module: ModulePath) -> bool:
    """Whether a backward equation outside the module made the node."""
    maker = graph.made_by[node]
    if maker is not None:
        outside = maker.path[: len(module)] != module
        return outside and maker.direction is Direction.BACKWARD
    makers = (graph.made_by[origin] for origin in graph.origins(node))
    return any(
        maker is not None and not maker.opened and maker.direction is Direction.BACKWARD
        for maker in makers
    )
