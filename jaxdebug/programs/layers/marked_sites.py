"""Layers by marks: the outputs of modules' calls, and their cotangents, exactly.

A mark in the forward direction is an output; the mark that its transpose left
is that output's cotangent. What remat computes again is not counted twice. A
call that a program holds several times, in a function jitted once, has a
cotangent for each of them that a loss differentiates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jaxdebug.programs._jax.source import Line
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.layers.paired_calls import calls_of_cotangents
from jaxdebug.programs.markers import COTANGENT, INNER, OUTPUT, Label, mark_of
from jaxdebug.programs.places import Found, Place
from jaxdebug.programs.scopes import Direction, ModulePath


class MarkedSites(NamedTuple):
    """What the marks of a program say about its layers."""

    found: list[Found]
    stacks: frozenset[ModulePath]
    """Name stacks that belong to marked modules."""
    unidentified: tuple[tuple[ModulePath, str], ...]


def marked_sites(graph: Graph) -> MarkedSites:
    """The arrays that the marks of a program name."""
    outputs, cotangents, inner = (
        _by_label(graph, role) for role in (OUTPUT, COTANGENT, INNER)
    )
    outputs = {
        label: [m for m in marks if m.direction is Direction.FORWARD]
        for label, marks in outputs.items()
    }
    # Of a derivative of a derivative, the last one is the program's own.
    cotangents = {**inner, **cotangents}
    stacks = frozenset(path for step in _all(outputs) for path in _stacks(step))
    outputs = {label: marks for label, marks in outputs.items() if label.path}
    cotangents = {label: marks for label, marks in cotangents.items() if label.path}
    paths = {label: _path(marks) for label, marks in outputs.items() if marks}
    counts: dict[ModulePath, int] = defaultdict(int)
    found: list[Found] = []
    unidentified: dict[tuple[ModulePath, str], None] = {}
    indices: dict[Step, int] = {}
    lines: dict[Step, Line | None] = {}
    first: dict[int, ModulePath] = {}
    for step in sorted(_all(outputs), key=lambda step: step.address):
        label, node = _label(step), _node(step)
        path = paths[label]
        indices[step] = counts[path]
        counts[path] += 1
        lines[step] = _line(graph, step, first.setdefault(node, label.path))
        found.append(_found(graph, step, path, "output", indices[step], lines[step]))
    for label, entering in cotangents.items():
        made = outputs.get(label, [])
        calls = calls_of_cotangents(graph, made, entering)
        if calls is None:
            reason = f"{len(made)} calls, but cotangents of it: {len(entering)}"
            if len(made) == len(entering):
                reason = f"{len(made)} calls in several backward passes"
            unidentified[paths.get(label, label.path), reason] = None
            continue
        for call, step in zip(calls, entering, strict=True):
            index, line = indices[made[call]], lines[made[call]]
            found.append(_found(graph, step, paths[label], "cotangent", index, line))
    return MarkedSites(found, stacks, tuple(unidentified))


def spelled(graph: Graph) -> Callable[[ModulePath], ModulePath]:
    """From a name stack to the path of the innermost marked module that it is in.

    Lifted transformations have modules in scopes that are not in their paths.
    """
    paths: dict[ModulePath, set[ModulePath]] = defaultdict(set)
    for step in _all(_by_label(graph, OUTPUT)):
        path = _label(step).path
        if path and step.path[-1:] == path[-1:]:
            paths[step.path].add(_path([step]))

    def spell(stack: ModulePath) -> ModulePath:
        for end in range(len(stack), 0, -1):
            found = paths.get(stack[:end], ())
            if len(found) == 1:
                return (*next(iter(found)), *stack[end:])
        return stack

    return spell


def _stacks(mark: Step) -> Iterable[ModulePath]:
    """Name stacks that are those of the module, and of the ones it is in."""
    label, stack = _label(mark), mark.path
    path, opened = label.path, label.opened
    if label.of_parameters:
        yield ("/".join(path),)  # as layers are called that only parameters name
        return
    if opened and stack[-len(opened) :] == opened:
        yield from (stack[: len(stack) - count] for count in range(len(opened)))
    if stack[-1:] == path[-1:] or not path:
        yield stack
    if path and stack[-len(path) :] == path:
        # Flax's lists and dictionaries of modules are in the path and no layers.
        outermost = len(stack) - len(path) + 1
        yield from (stack[:end] for end in range(outermost, len(stack)))


def _label(step: Step) -> Label:
    mark = mark_of(step.equation.raw)
    assert mark is not None
    return mark.label


def _by_label(graph: Graph, role: str) -> dict[Label, list[Step]]:
    """Marks of one role, in the order of the program; not what remat repeats."""
    found: dict[Label, list[Step]] = defaultdict(list)
    for step in graph.marks:
        mark = mark_of(step.equation.raw)
        assert mark is not None
        known = step.operands[0] is not None
        if mark.role == role and known and step.direction is not Direction.RECOMPUTED:
            found[mark.label].append(step)
    return dict(found)


def _all(marks: dict[Label, list[Step]]) -> Iterable[Step]:
    return (step for steps in marks.values() for step in steps)


def _path(marks: list[Step]) -> ModulePath:
    """The module's path, below the scopes that the user opened around it."""
    path, stack = _label(marks[0]).path, marks[0].path
    if stack[-len(path) :] != path or _label(marks[0]).opened:
        return path
    around = stack[: -len(path)]
    # A method that another method of the same module calls is in its scope.
    while around and _module(around[-1]) == _module(path[0]):
        around = around[:-1]
    return (*around, *path)


def _module(scope: str) -> str:
    """The module's part of a scope that may name a method after a dot."""
    return scope.partition(".")[0]


def _found(
    graph: Graph, step: Step, path: ModulePath, kind: str, index: int, line: Line | None
) -> Found:
    node = _node(step)
    maker = _maker(graph, node)
    primitive = "" if maker is None else maker.equation.primitive
    return Found(path, kind, index, Place(step.address, 0), node, primitive, line)


def _node(mark: Step) -> int:
    (node,) = mark.operands
    assert node is not None  # marks of literals were left out
    return node


def _maker(graph: Graph, start: int) -> Step | None:
    """The innermost equation that made a node; None for an input of the program."""
    seen: set[int] = set()
    node: int | None = start
    while node is not None and node not in seen:
        seen.add(node)
        step = graph.made_by[node]
        if step is None:
            node = graph.entered[node][1] if node in graph.entered else None
        elif step.opened:
            node = next(iter(graph.fed_by.get(node, ())), None)
        else:
            return step
    return None


def _line(graph: Graph, output: Step, first: ModulePath) -> Line | None:
    """The user's line that made an output; else the line of the module's call.

    A module that hands on what another one returned made nothing itself.

    Args:
        graph: the flow of the program.
        output: the mark.
        first: path of the module that returned the array first.
    """
    path = _label(output).path
    maker = _maker(graph, _node(output))
    if maker is None or first[: len(path)] != path:
        return output.equation.line
    return maker.equation.line or output.equation.line
