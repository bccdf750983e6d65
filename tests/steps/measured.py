"""How many leaves of a train step have the gradient and the update that are theirs.

A step is traced as `probe` traces it, whatever stands among its arguments: modules,
functions, optimisers. What is found is compared with `jax.grad` and with new minus old.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.held import hold_leaf, hold_static
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.frameworks.observed import observed, trace_observed
from jaxdebug.frameworks.step_flow import step_flow
from jaxdebug.programs.parameters.leaves import path_names, short_paths
from jaxdebug.programs.places import Site
from jaxdebug.programs.program import Program
from jaxdebug.statistics.probe import Probed, probed_program
from tests.steps.arrays_at import arrays_at
from tests.steps.train_step import TrainStep
from tests.zoo.lines import Lines, count, layers, whose


class Measured(NamedTuple):
    """What was found in one step, of the leaves that it trains.

    Attributes:
        leaves: the trained leaves.
        identified: those whose gradient was found.
        missed: the others, and why.
        wrong: leaves to which the array of another was assigned, and what is wrong.
        updates: leaves whose update is seen.
        wrong_updates: those whose update is not new minus old.
        lines: how many sites of layers have a line of the step's own file.
        strange: those that do not.
        unmarked: why its layers could not be marked, or "".
    """

    leaves: tuple[str, ...]
    identified: tuple[str, ...]
    missed: Mapping[str, str]
    wrong: tuple[str, ...]
    updates: tuple[str, ...]
    wrong_updates: tuple[str, ...]
    lines: Lines
    strange: tuple[Site, ...]
    unmarked: str


class _Trained(NamedTuple):
    """A parameter before and after the step, and its gradient."""

    name: str
    input: int
    output: int
    gradient: Any


def measure(step: TrainStep, own: str | Path) -> Measured:
    """Run a step once, with all that was found in it, and compare.

    Args:
        step: the step, with arguments of any kind.
        own: the file, or the folder, whose lines are the user's.
    """
    held = hold_static(step.function, step.args, {})
    arguments, _ = modules.take_apart(held, other=hold_leaf(step.function))
    traced = trace_observed(returning_changes(observed(step.function)), *arguments[0])
    probed = probed_program(traced, arguments, ("updates", "units"))
    flow = step_flow(traced.program, arguments)
    inputs, found = flow.inputs, flow.trained
    places = {leaf.place for leaf in found if leaf.place is not None}
    flat = jax.tree.leaves(arguments)
    results, arrays, numbers = _run(traced.program, probed, places, arguments)
    trained = _trained(step, traced.program, inputs, flat, results)
    by_input = {leaf.leaf.input: leaf for leaf in found}
    short = short_paths(inputs)
    kinds = {(site.path, site.kind) for site in probed.layout.order}
    identified, missed, wrong = [], {}, []
    updates, wrong_updates = [], []
    for leaf in trained:
        record = by_input.get(leaf.input)
        if record is None:
            missed[leaf.name] = "not listed"
            continue
        if record.leaf.output != leaf.output:
            wrong.append(f"{leaf.name}: its new value is another output")
            continue
        path = short[record.leaf.path]
        old, new = flat[leaf.input], results[record.leaf.output]
        if (path, "update") in kinds:
            updates.append(leaf.name)
            if not _moved_by(numbers[path, "update"]["rms"], old, new):
                wrong_updates.append(leaf.name)
        if record.place is None:
            missed[leaf.name] = record.reason
            continue
        identified.append(leaf.name)
        if not close(arrays[record.place], leaf.gradient, step.tolerance):
            wrong.append(f"{leaf.name}: not its gradient")
        if (path, "gradient") not in kinds:
            wrong.append(f"{leaf.name}: has no site")
    known = {leaf.input for leaf in trained}
    for record in found:
        if record.leaf.input not in known and record.place is not None:
            wrong.append(f"{'/'.join(record.leaf.path)}: is no parameter")
    sites = layers(probed.layout.order)
    return Measured(
        tuple(leaf.name for leaf in trained),
        tuple(identified),
        missed,
        tuple(wrong),
        tuple(updates),
        tuple(wrong_updates),
        count(sites, str(own)),
        tuple(site for site in sites if whose(site, str(own)) != "own"),
        traced.unmarked,
    )


def _run(
    program: Program, probed: Probed, places: Any, arguments: Any
) -> tuple[list[Any], Any, dict[Any, Any]]:
    """The results, the arrays at the places and the probe's numbers of each site."""
    reading = arrays_at(program, places)

    def everything(arguments: Any) -> Any:
        return reading(jax.tree.leaves(arguments)), probed(*arguments[0])[1]

    compiled = jax.jit(everything)
    (results, arrays), statistics = compiled(arguments)
    numbers = {(site.path, site.kind): values for site, values in statistics}
    return list(results), arrays, numbers


def _trained(
    step: TrainStep,
    program: Program,
    inputs: list[tuple[str, ...]],
    flat: list[Any],
    results: list[Any],
) -> list[_Trained]:
    """The parameters that the step says it trains, known by the very arrays."""
    positions: dict[int, int] = {}
    for index, array in enumerate(flat):
        positions.setdefault(id(array), index)
    old = [positions[id(array)] for array in _arrays(step.old(step.args))]
    if step.new is None:
        changed = _changed_in_place(program, len(results))
        new = [changed[inputs[index]] for index in old]
    else:
        outputs = {id(array): index for index, array in enumerate(results)}
        stepped = modules.rebuild(jax.tree.unflatten(program.out_tree, results))
        new = [outputs[id(array)] for array in _arrays(step.new(stepped.result))]
    gradients = _arrays(step.gradient(*step.args))
    return [
        _Trained("/".join(inputs[before]), before, after, gradient)
        for before, after, gradient in zip(old, new, gradients, strict=True)
    ]


def _changed_in_place(program: Program, outputs: int) -> dict[tuple[str, ...], int]:
    """The output of each array of the arguments' objects, by its path there."""
    numbered = jax.tree.unflatten(program.out_tree, range(outputs))
    names = path_names(numbered)
    taken = [output for parts in numbered.objects for output in parts.arrays]
    return {names[output]: output for output in taken}


def _arrays(tree: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]


def close(found: Any, wanted: Any, rtol: float) -> bool:
    """Whether two arrays are the same up to rounding, against the largest element."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    if found.shape != wanted.shape:
        return False
    scale = np.max(np.abs(wanted), initial=1e-9)
    return bool(np.max(np.abs(found - wanted), initial=0.0) <= rtol * scale + 1e-7)


def _moved_by(rms: Any, old: Any, new: Any) -> bool:
    """Whether a root mean square is that of new minus old, up to their rounding."""
    before, after = np.asarray(old, np.float64), np.asarray(new, np.float64)
    moved = np.sqrt(np.mean((after - before) ** 2)) if before.size else 0.0
    rounding = float(jnp.finfo(old.dtype).eps) * np.max(np.abs(before), initial=0.0)
    return abs(float(rms) - moved) <= 1e-3 * moved + rounding
