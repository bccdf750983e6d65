"""`probe`: the same function, which also returns statistics of every layer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple

import jax

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.held import hold_leaf, hold_static, require_constants
from jaxdebug.frameworks.in_place import result_of, returning_changes
from jaxdebug.frameworks.observed import Observed, observed, trace_observed
from jaxdebug.frameworks.step_flow import StepFlow, step_flow
from jaxdebug.programs.coverage import unseen
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.layers.activations import activations
from jaxdebug.programs.layers.lookups import lookups
from jaxdebug.programs.layers.parameter_paths import (
    Parameters,
    find_parameters,
    with_parameter_paths,
)
from jaxdebug.programs.layers.sites import layer_sites
from jaxdebug.programs.layers.softmaxes import softmaxes
from jaxdebug.programs.parameters.flow import parameter_flow
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.program import Program, by_signature, require_function
from jaxdebug.programs.scopes import ModulePath
from jaxdebug.programs.self_test import require_rules
from jaxdebug.statistics.histogram import HISTOGRAM
from jaxdebug.statistics.leaf_sites import NO_LEAVES, LeafSites, leaf_sites
from jaxdebug.statistics.maps import first_maps
from jaxdebug.statistics.measurement import Measurement, Wanted, measurement
from jaxdebug.statistics.rows import row_lookups
from jaxdebug.statistics.site_statistics import Layout, Statistics
from jaxdebug.statistics.statistic import Statistic
from jaxdebug.statistics.units import confidence, unit_activity

BUILT_IN = ("spread", "updates", "units", "state", "histogram", "maps")
DEFAULT = ("spread", "updates", "units")


def probe(
    fn: Callable[..., Any], *, statistics: str | Sequence[str | Statistic] = DEFAULT
) -> Callable[..., tuple[Any, Statistics]]:
    """The same function, which also returns statistics of every layer.

    The result is pure: it can be jitted, vmapped, differentiated, scanned or
    used inside another jitted function. `jax.jit(probe(step))` is the usual
    way; called eagerly it runs operation by operation, as `fn` would.

    NNX objects among the arguments that `fn` changes in place are changed as `fn`
    would change them, once all arrays are there: `nnx.jit(probe(step))` trains as
    `nnx.jit(step)` does.

    Args:
        fn: a function of pytrees of arrays: a model, a loss, a train step. It
            may be jitted already. What else is among its arguments is held fixed:
            its static arguments, functions, strings, optimisers.
        statistics: what to measure beyond the core: `"spread"` (zeros and the
            smallest magnitude), `"updates"` (new minus old value of each
            parameter, and its ratio to the parameter), `"units"` (of activation
            functions and softmaxes, and rows of embeddings), `"state"` (what a train
            step carries besides parameters, such as moments of the optimiser),
            `"histogram"` (of magnitudes by powers of two), `"maps"` (of layer outputs
            that come from a convolution over rows and columns, the first example:
            rows, columns, channels; a run of `watch` keeps none), or a `Statistic`
            of your own. The first three by default; `()` is the core alone.

    Returns:
        A function with the arguments of `fn` that returns `(fn(...),
        statistics)`. The statistics (`Statistics`, a pytree of 32-bit arrays)
        hold count, sum, sum of squares, largest magnitude and number of
        non-finite elements for each layer's output and cotangent. Of a train
        step also for each parameter, gradient and update; of another function for
        each inexact input. Each activation function has the number of examples on
        which each unit was active and saturated, each softmax its mean largest
        probability, each embedding the number of lookups of each row. A gradient
        that is a sum, as over micro-batches, is in `statistics.layout.summed`;
        parameters that the step leaves as they are, in `statistics.layout.frozen`.

    Raises:
        ValueError: if a statistic's name is not known.
        TypeError: if `fn` is no function; when called, if it changes NNX objects
            that are not among its arguments, or is given an iterator.

    Cost:
        One pass over each array that is measured; one more trace of `fn`. In a
        scan of up to 128 iterations one row of statistics for each of them,
        else their sum.

    Limits:
        Kernels, callbacks and primitives without a rule are not seen into: they
        are listed in `statistics.layout.unseen`. Layers whose cotangent could
        not be told from other arrays are in `statistics.layout.unidentified`.
        With a loss scale, cotangents and gradients are those of the scaled loss: what
        divides them by the scale comes after the backward part.
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
    asked = require_statistics("probe", statistics)
    take = hold_leaf(fn)

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Probed:
        require_rules("probe")
        function = returning_changes(observed(fn))
        traced = trace_observed(function, *args, **kwargs)
        return probed_program(traced, (args, kwargs), asked)

    @wraps(fn, updated=())
    def probed(*args: Any, **kwargs: Any) -> tuple[Any, Statistics]:
        arguments = hold_static(fn, args, kwargs)
        (args, kwargs), objects = modules.take_apart(arguments, other=take)
        require_constants("probe", (args, kwargs))
        planned = plan(*args, **kwargs)
        if planned.changes_objects:
            objects.require_changeable()
        out, measured = planned(*args, **kwargs)
        return result_of(out, objects, planned.changes_objects), measured

    return probed


class Probed(NamedTuple):
    """A program under the probe, traced once."""

    program: Program
    measurement: Measurement
    layout: Layout
    changes_objects: bool = False
    """Whether it returns what is to be done to the objects of its arguments."""
    flow: StepFlow | None = None
    """How the leaves of its state go through it; None if only layers were asked for."""

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, Statistics]:
        """Run it on arguments of the structure it was traced with."""
        leaves = jax.tree.leaves((args, kwargs))
        results, core, rest = self.measurement.run(leaves)
        out = jax.tree.unflatten(self.program.out_tree, results)
        return out, Statistics(tuple(core), tuple(rest), self.layout)

    @property
    def constants(self) -> list[Any]:
        """Arrays that the trace captured."""
        return list(self.measurement.transformed.jaxpr.consts)


def probed_program(
    traced: Observed, arguments: Any, statistics: Sequence[str | Statistic]
) -> Probed:
    """Find the sites of a program and put it under the probe.

    Args:
        traced: the traced function.
        arguments: `(args, kwargs)` it was traced with, for the names of inputs.
        statistics: what to measure beyond the core.
    """
    flow = step_flow(traced.program, arguments)
    found = flow[:4]
    carried = flow.carried() if "state" in statistics else ()
    leaves = leaf_sites(*found, carried)
    parameters = find_parameters(*found)
    probed = _probe_sites(traced, flow.graph, leaves, statistics, parameters)
    return probed._replace(changes_objects=flow.changes.needed, flow=flow)


def probed_layers(traced: Observed, paths: Mapping[int, ModulePath]) -> Probed:
    """Put a program's layers under the probe, not its inputs and gradients.

    Args:
        traced: returns a loss, then its gradient by each parameter.
        paths: path of each input that is a parameter, in the order of the gradients.
    """
    graph = build_graph(traced.program.jaxpr)
    nodes = zip(paths, graph.outputs[1:], strict=True)
    gradients = {index: node for index, node in nodes if node is not None}
    named = {index: path for index, path in paths.items() if path}
    parameters = Parameters(named, gradients)
    return _probe_sites(traced, graph, NO_LEAVES, DEFAULT, parameters)


def _probe_sites(
    traced: Observed,
    graph: Graph,
    leaves: LeafSites,
    statistics: Sequence[str | Statistic],
    parameters: Parameters,
) -> Probed:
    named = with_parameter_paths(graph, parameters, modules.shared_scopes())
    graph = named.graph
    layers = layer_sites(graph, named.outputs)
    own: list[tuple[Site, Place, Statistic]] = []
    if "units" in statistics:
        paths = parameters.paths
        data = parameter_flow(graph, paths).data if paths else None
        own += [(a.site, a.place, unit_activity(a)) for a in activations(graph, data)]
        own += [(s.site, s.place, confidence(s)) for s in softmaxes(graph)]
        tables = lookups(graph, parameters.paths)
        own += [(one.site, one.place, row_lookups(one)) for one in tables]
    if "maps" in statistics:
        own += first_maps(graph, layers.sites)
    if "updates" not in statistics:
        leaves = leaves._replace(updates={})
    more = [statistic for statistic in statistics if isinstance(statistic, Statistic)]
    if "histogram" in statistics:
        more.append(HISTOGRAM)
    spread = "spread" in statistics
    wanted = Wanted(layers.sites, leaves, spread, tuple(more), tuple(own))
    measured = measurement(traced.program, wanted)
    places = {
        **layers.sites,
        **leaves.gradients,
        **{site: place for site, place, _ in own},
    }
    missing = [(("modules",), traced.unmarked)] if traced.unmarked else []
    layout = Layout(
        measured.groups,
        measured.extras,
        (*leaves.inputs, *sorted(places, key=places.__getitem__), *leaves.updates),
        (*missing, *named.unidentified, *layers.unidentified, *leaves.unidentified),
        unseen(graph),
        leaves.summed,
        leaves.frozen,
    )
    return Probed(traced.program, measured, layout)


def require_statistics(tool: str, statistics: Any) -> tuple[str | Statistic, ...]:
    """Refuse what is no statistic; one may stand alone.

    Raises:
        TypeError: if it is no name, no `Statistic`, and no sequence of them.
        ValueError: if a name is not known.
    """
    several = isinstance(statistics, Iterable) and not isinstance(statistics, str)
    asked: tuple[Any, ...] = tuple(statistics) if several else (statistics,)
    for one in asked:
        if isinstance(one, Statistic) or (isinstance(one, str) and one in BUILT_IN):
            continue
        kind, hint = TypeError, ""
        if isinstance(one, str):
            kind, near = ValueError, difflib.get_close_matches(one, BUILT_IN, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
        raise kind(
            f"{tool} expects statistics to be some of {', '.join(BUILT_IN)} or a "
            f"jaxdebug.Statistic; found {one!r:.60}.{hint}"
        )
    return asked
