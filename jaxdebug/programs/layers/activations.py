"""Activation functions: where a program applies one, and what its slope is like.

An *activation function* is a maximal connected set of elementwise equations with
one array as its input and constants besides: `max(x, 0)`, `x * logistic(x)`, a
polynomial with a tanh. Which function it is makes no difference: its slope says
whether a unit is active or saturated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs import elementwise
from jaxdebug.programs._jax import names
from jaxdebug.programs.elementwise import Region
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.layers.activation_names import known_name
from jaxdebug.programs.layers.layer_values import comes_from_a_layer
from jaxdebug.programs.layers.marked_sites import spelled
from jaxdebug.programs.markers import mark_of
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.primitives import CONTRACTIONS
from jaxdebug.programs.scopes import Direction, ModulePath

NEAR = np.linspace(-10.0, 10.0, 401)
AT_ZERO = np.array([-1e-3, 0.0, 1e-3])
FAR = np.array([-100.0, -50.0, -20.0, 20.0, 50.0, 100.0])
POINTS = np.concatenate([NEAR, AT_ZERO, FAR])
"""In one array, because each primitive is compiled for each shape."""

ACTIVE = 1e-3
"""A unit is active on an example where the slope is above this share of the
steepest: below it next to nothing of a cotangent gets through."""

SATURATED = 0.1
"""Saturated where the slope is below this share: tanh beyond 0.95."""


class Activation(NamedTuple):
    """One application of an activation function."""

    site: Site
    place: Place
    """Where its input is read."""
    function: Callable[[Any], Any]
    """From the input to the output, with the derivative rules of the program."""
    steepest: float
    """Largest slope for inputs from -10 to 10."""
    bounded: bool
    """Whether it becomes flat on both sides, as tanh does."""
    hidden: bool
    """Whether a layer reads its output: otherwise it may be a head's."""
    kinked: bool
    """Whether it is flat at zero or on one side of it, and not all around."""
    hard: bool
    """Whether its slope is either full or nothing, as that of relu6 is."""
    unit_axis: int
    """Axis that counts the units: channels of a convolution, else the last."""


def activations(graph: Graph, data: Container[int] | None = None) -> list[Activation]:
    """The activation functions of a program's forward part, in its order.

    Args:
        graph: the flow of the program.
        data: nodes that depend on an input that is no parameter, if that is known:
            what is a function of parameters alone has no examples.

    Limits:
        Pooled features are told by their axes: examples first, units last.
        Functions without a bound on their slope (square, exp) or not defined
        everywhere (log, sqrt) are none, nor those that no layer reads.
    """
    found = []
    counts: dict[ModulePath, int] = defaultdict(int)
    spell = spelled(graph)
    marked = _marked(graph)
    for region in elementwise.regions(graph):
        step = region.steps[-1]
        hidden = _feeds_a_layer(graph, region.output)
        if not (step.path or hidden):
            continue
        if data is not None and region.root not in data:
            continue
        # A scalar, as of a line search, has no units.
        if not graph.avals[region.root].shape:
            continue
        if not comes_from_a_layer(graph, region.root):
            continue
        shape = _shape_of(region, graph)
        if shape is None:
            continue
        path = spell(_layer(graph, region.root, marked) or step.path)
        name = region.called or shape.known or region.primitives
        aval = graph.avals[region.root]
        site = Site(
            path,
            "activation",
            counts[path],
            tuple(aval.shape),
            str(aval.dtype),
            name,
            step.equation.line,
        )
        counts[path] += 1
        axis = _unit_axis(graph, region.root)
        found.append(
            Activation(
                site,
                region.entry,
                region.apply,
                shape.steepest,
                shape.bounded,
                hidden,
                shape.kinked,
                shape.hard,
                axis,
            )
        )
    return found


def _layer(graph: Graph, root: int, marked: Mapping[int, ModulePath]) -> ModulePath:
    """The module that made the input: it is its units that are active or not."""
    for node in graph.origins(root):
        if node in marked:
            return marked[node]
        step = graph.made_by[node]
        if step is not None and not step.opened:
            return step.path
    return ()


def _marked(graph: Graph) -> dict[int, ModulePath]:
    """Path of the innermost module that marked an array."""
    found: dict[int, ModulePath] = {}
    for step in graph.marks:
        mark = mark_of(step.equation.raw)
        (node,) = step.operands
        if mark is not None and node is not None and mark.label.path:
            found.setdefault(node, mark.label.path)
    return found


class _Shape(NamedTuple):
    """What an activation function is like; see `Activation`."""

    steepest: float
    bounded: bool
    kinked: bool
    hard: bool
    known: str | None
    """The name of the function, where its values tell."""


def _shape_of(region: Region, graph: Graph) -> _Shape | None:
    """What the slope of a region is like; None if it is no activation function."""
    dtype = graph.avals[region.root].dtype
    with (
        jax.ensure_compile_time_eval(),
        jax.debug_nans(False),
        jax.debug_infs(False),
        jax.transfer_guard("allow"),
    ):
        values, slopes = _values_and_slopes(region, POINTS, dtype)
        # Half precision is too coarse to tell one function from another.
        exact = np.asarray(region.in_single_precision(np.float32(NEAR)), np.float64)
    near = values[: NEAR.size]
    if not np.isfinite([*near, *slopes]).all():
        return None
    slopes, middle, ends = np.split(slopes, [NEAR.size, NEAR.size + AT_ZERO.size])
    sizes = np.abs(slopes)
    steepest = float(sizes.max())
    straight = np.ptp(slopes) <= 1e-3 * steepest
    if steepest == 0.0 or straight or np.abs(ends).max() > 1.5 * steepest:
        return None
    flat = np.abs(middle) <= ACTIVE * steepest
    return _Shape(
        steepest,
        bounded=bool(np.abs(ends).max() < 1e-2 * steepest),
        kinked=bool(flat.any() and not flat.all()),
        hard=not np.any((sizes > ACTIVE * steepest) & (sizes < SATURATED * steepest)),
        known=known_name(NEAR, exact),
    )


def _values_and_slopes(
    region: Region, points: np.ndarray, dtype: Any
) -> tuple[np.ndarray, np.ndarray]:
    x = jnp.asarray(points, dtype)
    y, slope = jax.jvp(region.pointwise, (x,), (jnp.ones_like(x),))
    return np.asarray(y, np.float64), np.asarray(slope, np.float64)


def _feeds_a_layer(graph: Graph, node: int) -> bool:
    return any(
        step.equation.primitive in CONTRACTIONS
        for step in graph.steps_after(node)
        if step.direction is Direction.FORWARD
    )


def _unit_axis(graph: Graph, root: int) -> int:
    """The channel axis of the convolution an array comes from, else the last."""
    shape = graph.avals[root].shape
    for node in _back_same_shape(graph, root):
        step = graph.made_by[node]
        if step is not None and step.equation.primitive == "conv_general_dilated":
            return names.channel_axis(step.equation.raw)
    return max(len(shape) - 1, 0)


def _back_same_shape(graph: Graph, node: int) -> Iterator[int]:
    """Nodes of one shape that lead to a node, nearest first."""
    shape = graph.avals[node].shape
    seen, queue = {node}, [node]
    while queue:
        current = queue.pop(0)
        yield current
        before: Sequence[int | None] = graph.fed_by.get(current, [])
        step = graph.made_by[current]
        if step is not None and not step.opened and _keeps_axes(step):
            before = [*before, *step.operands]
        for earlier in before:
            if (
                earlier is not None
                and earlier not in seen
                and graph.avals[earlier].shape == shape
            ):
                seen.add(earlier)
                queue.append(earlier)


def _keeps_axes(step: Step) -> bool:
    return step.equation.primitive not in ("transpose", "reshape", "rev")
