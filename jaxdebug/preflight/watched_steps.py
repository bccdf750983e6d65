"""Some steps of the user's own train step, watched."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.checks.declarations import FROZEN
from jaxdebug.checks.outcome import CannotRun, Outcome
from jaxdebug.checks.subject import Subject
from jaxdebug.frameworks import modules
from jaxdebug.training.watch import watch

NAME = "train-step"

STEPS, EVERY = 204, 50
"""What never changes is told from what waits after 200 steps, as `watch` does."""


def watched_steps(subject: Subject) -> Outcome:
    """Run the train step on a copy of its state, and watch it as `watch` does.

    Args:
        subject: with `train_step` and `state`.
    """
    workload = subject.workload
    if workload.train_step is None:
        raise CannotRun("give `train_step` and `state`")
    frozen = tuple(entry for entry in workload.declare if entry.startswith(FROZEN))
    batches = subject.train
    state = _copy(workload.state)
    with watch(
        workload.train_step,
        every=EVERY,
        on_nonfinite=lambda incident: None,
        bundle=False,
        declare=frozen,
    ) as step:
        for number in range(STEPS):
            state, _ = step(state, batches[number % len(batches)])
        report = step.report()
    said = report.summary().partition(": ")[2]
    return Outcome(NAME, report.verdict, said, report.findings)


def _copy(state: Any) -> Any:
    """The state on arrays of its own: a step may donate them, or change modules."""

    def fresh(leaf: Any) -> Any:
        return jnp.array(leaf, copy=True) if hasattr(leaf, "dtype") else leaf

    return modules.rebuild(jax.tree.map(fresh, modules.split(state)))
