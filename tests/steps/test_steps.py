"""Gradients and updates of train steps: right, or said to be not identified.

The steps are written as users of Optax, Flax, Equinox, Haiku and plain JAX write
them. What is found in each is compared with `jax.grad` and with new minus old.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.parameters.leaves import (
    LeafGradient,
    leaf_gradients,
    path_names,
    state_leaves,
)
from jaxdebug.programs.program import Program, trace
from tests.slow import quick_cases
from tests.steps.adapted_steps import ADAPTED_STEPS
from tests.steps.arrays_at import arrays_at
from tests.steps.example_steps import EXAMPLE_STEPS
from tests.steps.exchange_steps import EXCHANGED_IN_A_LOOP, LAYERS_IN_A_LOOP
from tests.steps.flax_steps import FLAX_STEPS
from tests.steps.library_steps import LIBRARY_STEPS
from tests.steps.loop_steps import LOOP_STEPS
from tests.steps.mapped_steps import MAPPED_STEPS
from tests.steps.network_steps import NETWORK_STEPS
from tests.steps.optax_steps import OPTAX_STEPS
from tests.steps.packed_steps import PACKED_STEPS, PACKED_TRAPS
from tests.steps.plain_steps import PLAIN_STEPS
from tests.steps.sum_steps import SUM_STEPS
from tests.steps.taken_out_steps import TAKEN_OUT_STEPS
from tests.steps.train_step import TrainStep, named
from tests.steps.traps import TRAPS as TRAPS_APART

STEPS = {
    **PLAIN_STEPS,
    **OPTAX_STEPS,
    **FLAX_STEPS,
    **LIBRARY_STEPS,
    **LOOP_STEPS,
    **NETWORK_STEPS,
    **SUM_STEPS,
    **LAYERS_IN_A_LOOP,
    **PACKED_STEPS,
    **EXAMPLE_STEPS,
    **ADAPTED_STEPS,
    **TAKEN_OUT_STEPS,
    **MAPPED_STEPS,
}
TRAPS = {**TRAPS_APART, **PACKED_TRAPS, **EXCHANGED_IN_A_LOOP}
# Compiling takes nearly all the time: one step of each kind is run in the quick tests.
QUICK = {
    "lookahead",
    "equinox_frozen",
    "example_libraries",
    "accumulated_after_the_first",
    "data_parallel_checked",
    "own_rule",
    "skipped_by_cond",
    "teacher_in_a_loop",
    "state_of_the_loss",
    "packed_gradient",
    "mapped_over_devices",
}
QUICK_TRACES = ("written_out", "heads", "linear_in_remat", "shifts", "recurrent")
LONG_TO_TRACE = ("haiku_lstm", "actor_and_critic", "translator")
TRACED = [
    name
    for name in (*STEPS, *TRAPS)
    if name.removesuffix("_exchanged") in QUICK_TRACES
    or name not in {*LAYERS_IN_A_LOOP, *EXCHANGED_IN_A_LOOP, *LONG_TO_TRACE}
]
QUICKLY_TRACED = {*QUICK, *TRACED[::4]}


class Found(NamedTuple):
    """A step, traced, and what was found in it by the name of each leaf."""

    step: TrainStep
    program: Program
    graph: Graph
    leaves: dict[str, LeafGradient]

    @property
    def parameters(self) -> dict[str, int]:
        """The output that each parameter really comes out at."""
        numbers = range(len(self.graph.outputs))
        results = jax.tree.unflatten(self.program.out_tree, numbers)
        return named(self.step.old, self.step.args, self.step.new(results))

    def reason(self, name: str) -> str | None:
        """Why a leaf should have no place; None if it should have one."""
        wanted = self.step.unidentified.items()
        return next((reason for part, reason in wanted if part in name), None)


@cache
def find(name: str) -> Found:
    step = {**STEPS, **TRAPS}[name]()
    program = trace(step.function, *step.args)
    graph = build_graph(program.jaxpr)
    inputs = [path[1:] for path in path_names((step.args, {}))]
    results = jax.tree.unflatten(program.out_tree, range(len(graph.outputs)))
    leaves = state_leaves(inputs, path_names(results), graph)
    found = leaf_gradients(graph, leaves)
    return Found(step, program, graph, {"/".join(f.leaf.path): f for f in found})


@pytest.mark.parametrize("name", quick_cases([*STEPS, *TRAPS], QUICKLY_TRACED))
def test_every_parameter_is_found_or_has_its_reason(name: str) -> None:
    """No parameter is missed, nothing else is listed, each update is its own."""
    found = find(name)
    assert found.leaves.keys() == found.parameters.keys()
    for leaf, record in found.leaves.items():
        reason = found.reason(leaf)
        if reason is None:
            assert record.place is not None, (leaf, record.reason)
        else:
            assert record.place is None
            assert reason in record.reason
        assert record.leaf.output == found.parameters[leaf]


@pytest.mark.parametrize("name", quick_cases([*STEPS, *TRAPS], QUICK, slice_of=6))
def test_the_arrays_are_the_gradient_and_the_update(name: str) -> None:
    """At each place stands what `jax.grad` gives; Δ is new minus old."""
    found = find(name)
    places = {f.place for f in found.leaves.values() if f.place is not None}
    added = {f.added for f in found.leaves.values() if f.added is not None}
    reading = arrays_at(found.program, places | added)
    step, tree = found.step, jax.tree.structure(found.step.args)

    def everything(leaves: Any) -> Any:
        return reading(leaves), step.gradient(*jax.tree.unflatten(tree, leaves))

    flat = jax.tree.leaves(step.args)
    compiled = jax.jit(everything)
    (results, arrays), gradients = compiled(flat)
    gradients = named(step.old, step.args, gradients)
    half = step.tolerance > 1e-3
    tolerance = {"rtol": step.tolerance, "atol": step.tolerance if half else 1e-6}
    for leaf, record in found.leaves.items():
        if record.place is not None:
            wanted = np.asarray(gradients[leaf], np.float64)
            close(arrays[record.place], wanted, **tolerance)
        if record.added is not None and step.moved:
            old, new = flat[record.leaf.input], results[record.leaf.output]
            moved = np.asarray(new, np.float64) - np.asarray(old, np.float64)
            # Of p - Δ it has the other sign.
            delta = np.abs(np.asarray(arrays[record.added], np.float64))
            close(delta, np.abs(moved), **tolerance)


def close(found: Any, wanted: Any, rtol: float, atol: float) -> None:
    found = np.asarray(found, np.float64)
    scale = np.max(np.abs(wanted), initial=1.0)
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol * scale)


@pytest.mark.slow
def test_nearly_every_gradient_of_the_corpus_is_identified() -> None:
    """The bar is nine in ten of the leaves that are trained, over 20 steps."""
    found = trained = moved = 0
    for name in {*STEPS} & {*TRACED, *LONG_TO_TRACE}:
        step = find(name)
        for leaf, record in step.leaves.items():
            if step.reason(leaf) is None:
                trained += 1
                found += record.place is not None
                moved += record.added is not None
    assert len(STEPS) >= 24
    assert found >= 0.9 * trained
    assert moved >= 0.9 * trained


@pytest.mark.parametrize(
    ("name", "summed"),
    [
        ("adam", False),
        ("steps_in_a_scan", False),
        ("meta_learning", False),
        ("multi_steps", False),
        ("accumulated_in_a_scan", True),
        ("accumulated_by_hand", True),
        ("stacked_micro_batches", True),
        ("mean_of_examples", True),
        ("data_parallel", True),
        ("two_losses", True),
    ],
)
def test_a_sum_of_gradients_is_called_one(name: str, summed: bool) -> None:
    assert {f.summed for f in find(name).leaves.values()} == {summed}
