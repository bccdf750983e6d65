"""What the program of a step says of its arguments, before it has run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jaxdebug.frameworks.modules import shared_scopes
from jaxdebug.frameworks.step_flow import StepFlow
from jaxdebug.programs.draws import noise_draws
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.parameters.dropped import dropped_state
from jaxdebug.programs.parameters.leaves import UNCHANGED, short_paths
from jaxdebug.programs.parameters.updates import waits_for_counter
from jaxdebug.programs.scopes import Direction

Path = tuple[str, ...]


class Parameter(NamedTuple):
    """A parameter among the arguments of a step."""

    reason: str
    """Why its gradient was not found; empty if it was."""
    frozen: bool
    """Whether the program leaves it as it is, whatever the batch."""
    waits: bool
    """Whether a counter decides at which steps it is updated."""


class Unwritten(NamedTuple):
    """An argument of which a next value is computed that goes nowhere."""

    path: Path
    form: str
    """`AVERAGE` or `COUNTER`."""
    line: str | None


class Noise(NamedTuple):
    """Random numbers on data."""

    roots: tuple[Path, ...]
    """Arguments that their key depends on."""
    line: str | None
    layer: str
    """The layer that draws them; empty if none is known."""


class Facts(NamedTuple):
    """What a program says of its flat arguments."""

    paths: Mapping[str, Path]
    """Of each one, under the name of its checksum: its path as reports spell it."""
    parameters: Mapping[Path, Parameter]
    derives: bool
    """Whether it computes a gradient of each parameter that it hands on, or of any."""

    dropped: tuple[Unwritten, ...] = ()
    draws: tuple[Noise, ...] = ()


NO_FACTS = Facts(MappingProxyType({}), MappingProxyType({}), False)


def facts_of(flow: StepFlow) -> Facts:
    """What the program of a step says.

    Args:
        flow: of its leaves.
    """
    graph, short = flow.graph, short_paths(flow.inputs)
    ways = [short[path] for path in flow.inputs]
    dropped = tuple(
        Unwritten(ways[one.input], one.form, _line(one.step))
        for one in dropped_state(graph)
    )
    unwritten = {one.path for one in dropped}
    trained = [f for f in flow.trained if ways[f.leaf.input] not in unwritten]
    parameters = {}
    for found in trained:
        new = graph.outputs[found.leaf.output]
        waits = new is not None and waits_for_counter(graph, new)
        reason = "" if found.place is not None else found.reason
        parameters[ways[found.leaf.input]] = Parameter(reason, found.is_frozen, waits)
    noise = (
        Noise(
            tuple(ways[i] for i in draw.roots),
            _line(draw.step),
            draw.step.layer(shared_scopes()),
        )
        for draw in noise_draws(graph, [f.leaf.input for f in trained])
    )
    handed_on = [f.leaf.input for f in trained if f.reason == UNCHANGED]
    return Facts(
        dict(zip(map("/".join, flow.inputs), ways, strict=True)),
        parameters,
        _derives(graph, handed_on),
        dropped,
        tuple(dict.fromkeys(noise)),
    )


def _line(step: Step) -> str | None:
    line = step.equation.line
    return None if line is None else str(line)


def _derives(graph: Graph, handed_on: Sequence[int]) -> bool:
    """Whether arrays of the shapes of some inputs leave the backward part."""
    made = [s for s in graph.steps if s.direction is Direction.BACKWARD]
    read = {node for step in made for node in step.operands}
    ends = {node for step in made for node in step.results} - read
    if not handed_on:
        return bool(ends)
    shapes = Counter(getattr(graph.avals[node], "shape", None) for node in ends)
    return Counter(graph.avals[graph.inputs[i]].shape for i in handed_on) <= shapes
