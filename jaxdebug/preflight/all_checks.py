"""All checks of a check-up, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from jaxdebug.checks.audits.as_outcome import gradients_and_layers
from jaxdebug.checks.contracts.batch_sizes import batch_sizes
from jaxdebug.checks.contracts.calls import calls
from jaxdebug.checks.contracts.evaluation_averages import evaluation_averages
from jaxdebug.checks.contracts.jit_agrees import jit_agrees
from jaxdebug.checks.contracts.key_reuse import key_reuse
from jaxdebug.checks.contracts.repeats import evaluation_mode, repeats
from jaxdebug.checks.contracts.shapes import shapes
from jaxdebug.checks.learning.clipping import clipping
from jaxdebug.checks.learning.evaluation_agrees import evaluation_agrees
from jaxdebug.checks.learning.loss_falls import loss_falls
from jaxdebug.checks.learning.overfit import overfit_one_batch, overfit_one_example
from jaxdebug.checks.learning.overfitting import overfitting
from jaxdebug.checks.learning.related_targets import related_targets
from jaxdebug.checks.learning.schedule import schedule
from jaxdebug.checks.learning.step_agrees import step_agrees
from jaxdebug.checks.learning.step_size import step_size
from jaxdebug.checks.learning.weight_decay import weight_decay
from jaxdebug.checks.lint.lint import lint_workload
from jaxdebug.checks.sanity.clipped_loss import clipped_loss
from jaxdebug.checks.sanity.counted_examples import counted_examples
from jaxdebug.checks.sanity.evaluation_data import evaluation_data
from jaxdebug.checks.sanity.independent_examples import independent_examples
from jaxdebug.checks.sanity.initial_loss import initial_loss
from jaxdebug.checks.sanity.padding import padding
from jaxdebug.checks.sanity.reachable_targets import reachable_targets
from jaxdebug.checks.sanity.reduction import reduction
from jaxdebug.checks.sanity.regulariser import regulariser
from jaxdebug.checks.sanity.time_leakage import time_leakage
from jaxdebug.checks.sanity.uses_inputs import uses_inputs
from jaxdebug.checks.sanity.uses_targets import uses_targets
from jaxdebug.checks.sanity.visible_targets import visible_targets
from jaxdebug.checks.selection import selected
from jaxdebug.preflight.check import Check
from jaxdebug.preflight.data import data
from jaxdebug.preflight.watched_steps import watched_steps

PHASES: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "the functions": (Check("calls", calls),),
        "the data": (Check("data", data),),
        "calls of the model": (
            Check("shapes", shapes),
            Check("repeats", repeats),
            Check("evaluation-mode", evaluation_mode),
            Check("evaluation-averages", evaluation_averages),
            Check("evaluation-data", evaluation_data),
            Check("jit-agrees", jit_agrees),
            Check("key-reuse", key_reuse),
            Check("batch-sizes", batch_sizes),
        ),
        "the loss": (
            Check("initial-loss", initial_loss),
            Check("reachable-targets", reachable_targets),
            Check("reduction", reduction),
            Check("regulariser", regulariser),
            Check("uses-inputs", uses_inputs),
            Check("uses-targets", uses_targets),
            Check("clipped-loss", clipped_loss),
            Check("counted-examples", counted_examples),
            Check("independent-examples", independent_examples),
            Check("time-leakage", time_leakage),
            Check("visible-targets", visible_targets),
            Check("padding", padding),
        ),
        "the program": (
            Check("lint", lambda subject: lint_workload(subject.workload)),
        ),
        "gradients and layers": (Check("gradients-and-layers", gradients_and_layers),),
        "short trainings": (
            Check("clipping", clipping),
            Check("weight-decay", weight_decay),
            Check("schedule", schedule),
            Check("train-step", watched_steps),
            Check("step-agrees", step_agrees),
            Check("loss-falls", loss_falls),
            Check("evaluation-agrees", evaluation_agrees),
            Check("step-size", step_size),
            Check("overfit-one-example", overfit_one_example),
            Check("overfit-one-batch", overfit_one_batch),
            Check("related-targets", related_targets),
            Check("overfitting", overfitting),
        ),
    }
)
"""What is cheap comes first, and what explains more comes before what it explains."""

NAMES: tuple[str, ...] = tuple(
    check.name for checks in PHASES.values() for check in checks
)


def chosen(only: Sequence[str], skip: Sequence[str]) -> dict[str, tuple[Check, ...]]:
    """The phases with the checks that are asked for.

    Args:
        only: names; none stands for all.
        skip: names that are left out.

    Raises:
        TypeError: if one of them is no sequence of names.
        ValueError: if a check of that name does not exist; lists all.
    """
    wanted = selected("checkup", NAMES, only, skip)
    kept = {
        phase: tuple(check for check in checks if check.name in wanted)
        for phase, checks in PHASES.items()
    }
    return {phase: checks for phase, checks in kept.items() if checks}
