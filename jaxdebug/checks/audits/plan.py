"""The programs of an audit, traced and compiled once for each signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxdebug.checks.arguments import AuditInputError, Split
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.differences import DIRECTIONS
from jaxdebug.checks.gradients.plan import GradientPlan, make_gradient_plan
from jaxdebug.checks.gradients.problem import Problem
from jaxdebug.programs.program import Program, trace
from jaxdebug.statistics.probe import Probed, probed_layers
from jaxdebug.statistics.site_statistics import Statistics


class Measured(NamedTuple):
    """What one run in the model's own precision brings back to the host."""

    loss: Any
    layers: Statistics
    gradients: Sequence[Any]
    updates: Sequence[Any] | None


class Plan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    gradient: GradientPlan
    layers: Probed
    native: Callable[..., Measured]

    @property
    def constants(self) -> list[Any]:
        """Arrays that the traces captured."""
        return [*self.layers.constants, *self.gradient.constants]

    def run(self, leaves: Sequence[Any], seed: int) -> tuple[Measured, Asked]:
        """Measure on flat arguments, and ask the witnesses of the gradient."""
        measured = self.native(leaves)
        asked = self.gradient.ask(leaves, measured.gradients, seed)
        return jax.device_get(measured), asked


def make_plan(
    problem: Problem, leaves: Sequence[Any], optimizer: Any, expected: Sequence[str]
) -> Plan:
    """Trace the programs of an audit.

    Args:
        problem: a loss and its gradient on flat arrays.
        leaves: flat arguments.
        optimizer: an `optax.GradientTransformation` or None.
        expected: names of rules that are meant to differ from their function.
    """
    split = problem.split
    gradient = make_gradient_plan(problem, leaves, expected, DIRECTIONS)
    layers = probed_layers(
        gradient.gradient, dict(zip(split.moving, split.paths, strict=True))
    )
    update = None if optimizer is None else _update_program(split, leaves, optimizer)

    def native(leaves: Sequence[Any]) -> Measured:
        cotangents = problem.cotangents(gradient.outputs, 0)
        (value, *gradients), statistics = layers(*leaves, *cotangents)
        updates = None
        if update is not None:
            updates = jax.tree.leaves(update(list(leaves), gradients))
        return Measured(value, statistics, gradients, updates)

    return Plan(gradient, layers, jax.jit(native))


def _update_program(split: Split, leaves: Sequence[Any], optimizer: Any) -> Program:
    """The optimiser's first update, traced with the user's own settings."""

    if len(split.arguments) != 1:
        raise AuditInputError(
            "expected a single argument of parameters, because optimizer is given; "
            f"found argnums={', '.join(map(str, split.arguments))}. Put the "
            "parameters into one pytree, or leave the optimizer out."
        )

    def update(leaves: Sequence[Any], gradients: Sequence[Any]) -> Any:
        moving = [leaves[index] for index in split.moving]
        parameters = split.rebuild(leaves, moving)
        tree = split.rebuild(leaves, gradients)
        updates, _ = optimizer.update(tree, optimizer.init(parameters), parameters)
        return updates

    return trace(update, list(leaves), [leaves[index] for index in split.moving])
