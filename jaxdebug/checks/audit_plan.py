"""The programs of an audit, traced and compiled once for each signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.loss import AuditInputError, Loss
from jaxdebug.frameworks.observed import trace_observed
from jaxdebug.gradients.differences import Differences, central_differences
from jaxdebug.gradients.directions import gaussian
from jaxdebug.gradients.draws import boosts
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.program import Program, trace
from jaxdebug.programs.shadow import Shadowed, shadow_program, widen, widen_on_host
from jaxdebug.statistics.probe import Probed, probed_layers
from jaxdebug.statistics.site_statistics import Statistics


class Measured(NamedTuple):
    """What one run of an audit brings back to the host."""

    loss: Any
    layers: Statistics
    gradients: Sequence[Any]
    updates: Sequence[Any] | None
    differences: Differences
    boosts: Sequence[Any]
    """By how much each leaf's direction was made larger."""


class Moves(NamedTuple):
    """How each moving leaf moves, in float64 and of the leaf's scale."""

    directions: Sequence[np.ndarray]
    shifts: Sequence[np.ndarray]


class Plan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    loss: Loss
    graph: Graph
    iterates: tuple[bool, ...]
    layers: Probed
    shadow: Shadowed
    shadow_gradient: Shadowed
    native: Callable[..., Any]
    wide: Callable[..., Any]
    both: Callable[..., Any]

    @property
    def constants(self) -> list[Any]:
        """Arrays that the traces captured."""
        return [*self.layers.constants, *self.shadow.constants]

    def run(self, leaves: Sequence[Any], moves: Moves) -> Measured:
        """Measure on flat arguments.

        One call does everything. Where the device lacks float64 or the memory
        for it, the float64 part runs on the CPU by itself.
        """
        if _has_float64():
            try:
                return jax.device_get(_in_float64(self.both, leaves, moves))
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
        native = jax.device_get(self.native(leaves))
        with jax.default_device(jax.devices("cpu")[0]):
            on_host = jax.device_get(list(leaves))
            wide = _in_float64(self.wide, on_host, moves, native[2])
        return Measured(*native, *jax.device_get(wide))

    def moves(self, leaves: Sequence[Any], seed: int, look: int = 0) -> Moves:
        """Directions and displacements of the moving leaves, on the host."""
        word = f"{seed} {look}"
        wide = [widen_on_host(leaves[index]) for index in self.loss.split.moving]
        pairs = list(zip(wide, self.loss.split.paths, strict=True))
        return Moves(
            [gaussian(leaf, path, "direction", word) for leaf, path in pairs],
            [gaussian(leaf, path, "jitter", word) for leaf, path in pairs],
        )


def make_plan(loss: Loss, arguments: Any, optimizer: Any) -> Plan:
    """Trace the programs of an audit.

    Args:
        loss: the loss on flat arrays.
        arguments: `(args, kwargs)` as arrays.
        optimizer: an `optax.GradientTransformation` or None.
    """
    leaves = jax.tree.leaves(arguments)
    program = trace_observed(loss.scalar, *leaves).program
    traced_gradient = trace_observed(loss.gradient, *leaves)
    gradient_program = traced_gradient.program
    layers = probed_layers(
        traced_gradient, dict(zip(loss.split.moving, loss.split.paths, strict=True))
    )
    shadow, shadow_gradient = (
        shadow_program(program),
        shadow_program(gradient_program),
    )
    update = None if optimizer is None else _update_program(loss, leaves, optimizer)

    graph = build_graph(program.jaxpr)
    iterates = tuple(
        any(step.equation.primitive == "while" for step in graph.steps_after(node))
        for node in (graph.inputs[index] for index in loss.split.moving)
    )

    def native(leaves: Sequence[Any]) -> tuple[Any, ...]:
        (value, gradients), statistics = layers(*leaves)
        updates = None
        if update is not None:
            updates = jax.tree.leaves(update(list(leaves), gradients))
        return value, statistics, gradients, updates

    def wide(
        leaves: Sequence[Any], moves: Moves, gradients: Sequence[Any]
    ) -> tuple[Differences, list[Any]]:
        leaves = [*map(widen, leaves)]
        moving = [leaves[index] for index in loss.split.moving]
        more = boosts(moving, [*map(widen, gradients)])
        found = central_differences(
            lambda moving: shadow.apply(loss.split.with_moving(leaves, moving))[0],
            lambda moving: shadow_gradient.apply(
                loss.split.with_moving(leaves, moving)
            )[1:],
            moving,
            *([m * d for m, d in zip(more, each, strict=True)] for each in moves),
        )
        return found, more

    def both(leaves: Sequence[Any], moves: Moves) -> Measured:
        value, statistics, gradients, updates = native(leaves)
        found = wide(leaves, moves, gradients)
        return Measured(value, statistics, gradients, updates, *found)

    return Plan(
        loss,
        graph,
        iterates,
        layers,
        shadow,
        shadow_gradient,
        jax.jit(native),
        jax.jit(wide),
        jax.jit(both),
    )


def _update_program(loss: Loss, leaves: Sequence[Any], optimizer: Any) -> Program:
    """The optimiser's first update, traced with the user's own settings."""

    if len(loss.split.arguments) != 1:
        raise AuditInputError(
            "expected a single argument of parameters, because optimizer is given; "
            f"found argnums={', '.join(map(str, loss.split.arguments))}. Put the "
            "parameters into one pytree, or leave the optimizer out."
        )

    def update(leaves: Sequence[Any], gradients: Sequence[Any]) -> Any:
        moving = [leaves[index] for index in loss.split.moving]
        parameters = loss.rebuild(leaves, moving)
        tree = loss.rebuild(leaves, gradients)
        updates, _ = optimizer.update(tree, optimizer.init(parameters), parameters)
        return updates

    return trace(update, list(leaves), [leaves[index] for index in loss.split.moving])


def _in_float64(function: Callable[..., Any], *args: Any) -> Any:
    with jax.enable_x64(True):
        return function(*jax.device_put(args))


def _has_float64() -> bool:
    return jax.default_backend() in ("cpu", "gpu", "cuda", "rocm")
