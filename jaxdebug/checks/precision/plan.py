"""The program of a precision check, traced and compiled once for each signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.gradients.problem import Problem
from jaxdebug.checks.gradients.programs import has_float64
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.draws import scales
from jaxdebug.programs.equation import Address
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.layers.parameter_paths import Parameters, with_parameter_paths
from jaxdebug.programs.layers.sites import layer_sites
from jaxdebug.programs.pair import Pair, relative_gap, wide_of
from jaxdebug.programs.places import Place, Site, is_inexact
from jaxdebug.programs.program import AS_WRITTEN
from jaxdebug.programs.shadow import Shadowed, shadow_program, widen_on_host
from jaxdebug.statistics.rounding import SUMS, Rounding
from jaxdebug.statistics.rounding_tool import (
    Flips,
    MeasuredRounding,
    measured_rounding,
)


class Lost(NamedTuple):
    """What rounding did to one array; of a loop, of all its iterations."""

    numbers: Mapping[str, float]
    """By the names of `SUMS`, and `worst`."""
    peak: float
    iteration: int

    @property
    def error(self) -> float:
        """Norm of the error for each unit of the norm; infinite if some overflowed."""
        if self.numbers["broken"]:
            return np.inf
        return _ratio(self.numbers["total"], self.numbers["signal"])

    @property
    def made(self) -> float:
        """The part of it that was made here, not inherited."""
        return _ratio(self.numbers["made"], self.numbers["signal"])

    @property
    def condition(self) -> float:
        """How much larger what was added up is than its sum; 0 if nothing was."""
        return _ratio(self.numbers["terms"], self.numbers["signal"])

    @property
    def worst(self) -> float:
        """Error of the worst element, relative to the root mean square."""
        mean = self.numbers["signal"] / max(self.numbers["elements"], 1)
        return _ratio(self.numbers["worst"] ** 2, mean)

    @property
    def typical(self) -> float:
        """Error of a typical element, absolute."""
        return float((self.numbers["total"] / max(self.numbers["elements"], 1)) ** 0.5)


class PrecisionMeasured(NamedTuple):
    """What one run brought back to the host."""

    places: Mapping[Place, Lost]
    results: Mapping[int, Lost]
    """By index among the program's results."""
    flips: Mapping[Address, int]
    sizes: Sequence[float]
    """Of each gradient, in float64, times the scale of its leaf."""
    flip_errors: Mapping[int, float]
    """What other decisions would change of each result, relative to its norm."""


class PrecisionPlan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    problem: Problem
    graph: Graph
    sites: Mapping[Site, Place]
    output_names: Sequence[str]
    """Of the results that are no gradients; those come after."""
    measured: MeasuredRounding
    both: Callable[..., Any]
    own_decisions: Callable[..., Any]
    shadow: Shadowed

    @property
    def outputs(self) -> int:
        """How many of the results are no gradients."""
        return len(self.output_names)

    @property
    def constants(self) -> list[Any]:
        """Arrays that the traces captured."""
        return self.measured.constants

    def run(self, leaves: Sequence[Any], seed: int) -> PrecisionMeasured:
        """Measure at flat arguments."""
        avals = [var.aval for var in self.shadow.program.jaxpr.jaxpr.outvars]
        cotangents = self.problem.cotangents(avals[: self.outputs], seed)
        arguments = (*leaves, *jax.device_put(cotangents))
        if not has_float64():
            with jax.default_device(jax.devices("cpu")[0]):
                return self._run(jax.device_put(jax.device_get(arguments)))
        return self._run(arguments)

    def _run(self, arguments: Sequence[Any]) -> PrecisionMeasured:
        with jax.enable_x64(True):
            wide, records, slopes = self.both(arguments)
            made = dict(zip(self.measured.names, jax.device_get(records), strict=True))
            flips = {k.address: int(v) for k, v in made.items() if isinstance(k, Flips)}
            errors: dict[int, float] = {}
            if any(flips.values()):
                found = jax.device_get(self.own_decisions(arguments, wide))
                errors = {index: float(error) for index, error in found.items()}
        read = {k: _read(v) for k, v in made.items() if isinstance(v, Rounding)}
        return PrecisionMeasured(
            {k: v for k, v in read.items() if isinstance(k, Place)},
            {k: v for k, v in read.items() if isinstance(k, int)},
            flips,
            self._sizes(arguments, jax.device_get(slopes)),
            errors,
        )

    def _sizes(self, arguments: Sequence[Any], slopes: Sequence[Any]) -> list[float]:
        """Norm of each leaf's gradient times the leaf's scale."""
        moving = self.problem.split.moving
        leaves = jax.device_get([arguments[index] for index in moving])
        steps = scales([*map(widen_on_host, leaves)], slopes)
        norms = [np.linalg.norm(slope) for slope in slopes]
        return [float(n * s) for n, s in zip(norms, steps, strict=True)]


def make_precision_plan(problem: Problem, leaves: Sequence[Any]) -> PrecisionPlan:
    """Trace the program of a check.

    Args:
        problem: the function and its gradient on flat arrays.
        leaves: flat arguments.
    """
    outputs = trace_observed(problem.function, *leaves).program.jaxpr.out_avals
    inexact = [aval for aval in outputs if is_inexact(aval)]
    # The user's own gradient of a loss has the cotangent one: a larger or smaller
    # one would overflow or underflow elsewhere.
    scalar = len(inexact) == 1 and inexact[0].shape == ()
    problem = replace(problem, unit_cotangents=scalar)
    cotangents = problem.cotangents(outputs, 0)
    program = trace_observed(problem.gradient, *leaves, *cotangents).program
    graph = build_graph(program.jaxpr)
    moving, paths = problem.split.moving, problem.split.paths
    nodes = zip(moving, graph.outputs[len(outputs) :], strict=True)
    parameters = Parameters(
        {index: path for index, path in zip(moving, paths, strict=True) if path},
        {index: node for index, node in nodes if node is not None},
    )
    named = with_parameter_paths(graph, parameters, modules.shared_scopes())
    graph = named.graph
    sites = layer_sites(graph, named.outputs).sites
    measured = measured_rounding(program, graph, sites.values())
    shadow = shadow_program(program)

    def both(arguments: Sequence[Any]) -> tuple[Any, Any, Any]:
        results, records = measured.run(arguments)
        gradients = results[len(outputs) :]
        slopes = [wide_of(gradient) for gradient in gradients]
        wide = {i: r.wide for i, r in enumerate(results) if isinstance(r, Pair)}
        return wide, records, slopes

    def own_decisions(arguments: Sequence[Any], wide: Mapping[int, Any]) -> Any:
        own = shadow.apply(arguments)
        return {index: relative_gap(wide[index], own[index]) for index in wide}

    return PrecisionPlan(
        problem,
        graph,
        sites,
        [f"output[{index}]" for index in range(len(outputs))]
        if len(outputs) > 1
        else ["output"] * len(outputs),
        measured,
        jax.jit(both, compiler_options=AS_WRITTEN),
        jax.jit(own_decisions),
        shadow,
    )


def _read(record: Rounding) -> Lost:
    numbers = dict(zip(SUMS, map(float, record.sums), strict=True))
    peak, iteration = map(float, record.peak)
    return Lost({**numbers, "worst": float(record.worst)}, peak, int(iteration))


def _ratio(part: float, whole: float) -> float:
    """Square root of a quotient of squares."""
    if not part > 0:
        return 0.0
    return float((part / whole) ** 0.5) if whole > 0 else np.inf
