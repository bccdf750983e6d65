"""`probe`: the same function, which also returns statistics of every layer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import wraps
from typing import Any, NamedTuple, cast

import jax

from jaxdebug.frameworks import nnx
from jaxdebug.programs._jax.calls import varying_axes
from jaxdebug.programs.coverage import unseen
from jaxdebug.programs.equation import Address, Equation, Level
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.leaves import leaf_gradients, path_names, state_leaves
from jaxdebug.programs.program import (
    Program,
    Transformed,
    by_signature,
    require_function,
    trace,
    transform,
)
from jaxdebug.programs.scopes import Direction
from jaxdebug.programs.self_test import require_rules
from jaxdebug.programs.sites import Place, Site, is_inexact, layer_sites
from jaxdebug.programs.tool import Accumulator, Outcome, Records, Tool, Value
from jaxdebug.statistics import moments
from jaxdebug.statistics.one_pass import one_pass
from jaxdebug.statistics.site_statistics import Layout, Statistics

ROWS = 128
"""Scans up to this length keep one row for each iteration."""


def probe(fn: Callable[..., Any]) -> Callable[..., tuple[Any, Statistics]]:
    """The same function, which also returns statistics of every layer.

    The result is pure: it can be jitted, vmapped, differentiated, scanned or
    used inside another jitted function. `jax.jit(probe(step))` is the usual
    way; called eagerly it runs operation by operation, as `fn` would.

    Args:
        fn: a function of pytrees of arrays: a model, a loss, a train step. It
            may be jitted already.

    Returns:
        A function with the arguments of `fn` that returns `(fn(...),
        statistics)`. The statistics (`Statistics`, a pytree of 32-bit arrays)
        hold count, sum, sum of squares, largest magnitude and number of
        non-finite elements for each layer's output and cotangent. Of a train
        step also for each parameter and gradient; of another function for each
        inexact input.

    Raises:
        TypeError: if `fn` is no function; when called, if it changes NNX objects
            in place, a change that would be lost.

    Cost:
        One pass over each array that is measured; one more trace of `fn`. In a
        scan of up to 128 iterations one row of statistics for each of them,
        else their sum.

    Limits:
        Kernels, callbacks and primitives without a rule are not seen into: they
        are listed in `statistics.layout.unseen`. Layers whose cotangent could
        not be told from other arrays are in `statistics.layout.unidentified`.
        The predicate of a while loop is not measured. Subnormal numbers count as
        zero where the device flushes them.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def model(w, x):
        ...     with jax.named_scope("dense"):
        ...         h = x @ w
        ...     return jnp.tanh(h)
        >>> out, stats = jax.jit(probe(model))(jnp.ones((2, 3)), jnp.ones((4, 2)))
        >>> float(stats.summary("dense")["mean"])
        2.0
    """

    require_function("probe", fn)

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Probed:
        require_rules("probe")
        program = trace(fn, *args, **kwargs)
        if program.changed and nnx.holds_objects((args, kwargs)):
            # Handing back outputs alone would drop the change without a word.
            raise TypeError(
                "probe expects a function that returns what it changes; found that "
                f"it changes its arguments in place: {', '.join(program.changed[:3])}"
                f"{' and more' if len(program.changed) > 3 else ''}. For NNX, split "
                "the module with nnx.split, merge it inside, and return nnx.state."
            )
        return probed_program(program, (args, kwargs))

    @wraps(fn, updated=())
    def probed(*args: Any, **kwargs: Any) -> tuple[Any, Statistics]:
        return plan(*args, **kwargs)(*args, **kwargs)

    return probed


class Probed(NamedTuple):
    """A program under the probe, traced once."""

    program: Program
    transformed: Transformed
    layout: Layout
    inputs: tuple[int, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, Statistics]:
        """Run it on arguments of the structure it was traced with."""
        leaves = jax.tree.leaves((args, kwargs))
        results, records = self.transformed(leaves)
        out = jax.tree.unflatten(self.program.out_tree, results)
        return out, Statistics(tuple(records.values()), self.layout)

    @property
    def constants(self) -> list[Any]:
        """Arrays that the trace captured."""
        return list(self.transformed.jaxpr.consts)


def probed_program(program: Program, arguments: Any) -> Probed:
    """Find the sites of a program and put it under the probe.

    Args:
        program: the traced function.
        arguments: `(args, kwargs)` it was traced with, for the names of inputs.
    """
    graph = build_graph(program.jaxpr)
    names = path_names(arguments)
    results = jax.tree.unflatten(program.out_tree, range(len(graph.outputs)))
    inputs, gradients, reasons = _leaf_sites(graph, names, path_names(results))
    return _probe_sites(program, graph, inputs, gradients, reasons)


def probed_layers(program: Program) -> Probed:
    """Put a program's layers under the probe, not its inputs and gradients."""
    return _probe_sites(program, build_graph(program.jaxpr), {}, {}, [])


def _probe_sites(
    program: Program,
    graph: Graph,
    inputs: dict[Site, int],
    gradients: dict[Site, Place],
    reasons: list[tuple[tuple[str, ...], str]],
) -> Probed:
    layers = layer_sites(graph)
    places = {**layers.sites, **gradients}
    transformed, groups = _under_probe(program, places, inputs)
    layout = Layout(groups, (*layers.unidentified, *reasons), unseen(graph))
    return Probed(program, transformed, layout, tuple(inputs.values()))


def _leaf_sites(
    graph: Graph,
    inputs: list[tuple[str, ...]],
    outputs: list[tuple[str, ...]],
) -> tuple[dict[Site, int], dict[Site, Place], list[tuple[tuple[str, ...], str]]]:
    """Inputs to measure, gradients and where they appear, gradients not found."""
    measured: dict[Site, int] = {}
    gradients: dict[Site, Place] = {}
    unidentified = []
    inputs = [path[1:] for path in inputs]
    short = _short_paths(inputs)
    for leaf, place, reason in leaf_gradients(
        graph, state_leaves(inputs, outputs, graph)
    ):
        node, path = graph.inputs[leaf.input], short[leaf.path]
        measured[_leaf_site(graph, node, path, "parameter")] = leaf.input
        if place is None:
            unidentified.append((path, reason))
        else:
            gradients[_leaf_site(graph, node, path, "gradient")] = place
    if not gradients:
        for path, node in zip(outputs, graph.outputs, strict=True):
            step = None if node is None else graph.made_by[node]
            if step is None or node is None or not is_inexact(graph.avals[node]):
                continue
            if step.direction is Direction.BACKWARD:
                name = _input_name(path, inputs, short)
                site = _leaf_site(graph, node, name, "gradient")
                gradients[site] = Place(step.address, step.results.index(node))
    if not measured:
        for index, node in enumerate(graph.inputs):
            if is_inexact(graph.avals[node]):
                path = short[inputs[index]]
                measured[_leaf_site(graph, node, path, "input")] = index
    return measured, gradients, unidentified


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


def _short_paths(
    paths: list[tuple[str, ...]],
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Paths without the argument they are in, where no two become the same."""
    times = Counter(path[1:] for path in paths)
    return {
        path: path[1:] if len(path) > 1 and times[path[1:]] == 1 else path
        for path in paths
    }


def _leaf_site(graph: Graph, node: int, path: tuple[str, ...], kind: str) -> Site:
    aval = graph.avals[node]
    return Site(path, kind, 0, tuple(aval.shape), str(aval.dtype), "", None)


def _varying(record: Any) -> frozenset[str]:
    leaves = jax.tree.leaves(record)
    return frozenset().union(*(varying_axes(jax.typeof(leaf)) for leaf in leaves))


def _under_probe(
    program: Program, places: dict[Site, Place], inputs: dict[Site, int]
) -> tuple[Transformed, tuple[tuple[tuple[Site, ...], ...], ...]]:
    """The program under the tool, and the sites of each record.

    An array that is several sites (the last layer's output and its parent's) is
    measured once.
    """
    sites: dict[Hashable, list[Site]] = defaultdict(list)
    at: dict[Address, set[Place]] = defaultdict(set)
    inside: set[Address] = set()
    for site, place in places.items():
        sites[place].append(site)
        at[place.address].add(place)
        inside.update(place.address[:end] for end in range(1, len(place.address), 2))
    for site, index in inputs.items():
        sites[index].append(site)

    def visit(
        equation: Equation,
        operands: list[Value],
        proceed: Callable[[Equation, list[Value]], Outcome],
    ) -> Outcome:
        results, records = proceed(equation, operands)
        made: Records = {
            place: one_pass((operands if place.operand else results)[place.index])
            for place in sorted(at.get(equation.address, ()))
        }
        return results, {**records, **made}

    def leave(level: Level, records: Records) -> Records:
        """One record for all sites of a level: few arrays leave each body."""
        rest: Records = {}
        # What is the same on several shards must stay so, to be counted once.
        own: dict[frozenset[str], Records] = defaultdict(dict)
        for name, record in records.items():
            if isinstance(name, Place):
                own[_varying(record)][name] = record
            else:
                rest[name] = record
        for group in own.values():
            rest[tuple(group)] = moments.gather(list(group.values()))
        return rest

    def start(leaves: Sequence[Any]) -> Records:
        each = [one_pass(leaves[index]) for index in inputs.values()]
        return {tuple(inputs.values()): moments.gather(each)} if each else {}

    tool = Tool(
        visit,
        accumulate=Accumulator(
            moments.empty,
            lambda total, record, _: moments.combine(total, record),
            lambda length: length <= ROWS,
        ),
        enters=lambda equation: equation.address in inside,
        leave=leave,
    )
    transformed = transform(program, tool, start=start)
    groups = tuple(
        tuple(tuple(sites[name]) for name in names)
        for names in cast("tuple[tuple[Hashable, ...], ...]", transformed.names)
    )
    return transformed, groups
