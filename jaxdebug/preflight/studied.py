"""What the figures of a check-up are drawn of, made once and only if it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.audits.report import AuditReport
from jaxdebug.checks.outcome import CannotRun, Outcome
from jaxdebug.checks.subject import Subject
from jaxdebug.frameworks import modules
from jaxdebug.statistics.probe import probe

STEPS, PIECE = 100, 10
"""Of the training whose curves are drawn; after each piece it is evaluated."""

EVALUATED = 16
"""Batches that each evaluation looks at, at most."""


class ShortTraining(NamedTuple):
    """A training of some steps.

    Attributes:
        curves: steps and losses by name.
        params: the pytree of what is trained, afterwards.
    """

    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    params: Any


@dataclass(frozen=True, eq=False)
class Studied:
    """A workload after its check-up.

    Attributes:
        subject: that was examined.
        outcomes: of its checks.
    """

    subject: Subject
    outcomes: Sequence[Outcome]

    def outcome(self, name: str) -> Outcome | None:
        """The outcome of a check; None if it was left out."""
        return next((one for one in self.outcomes if one.name == name), None)

    def numbers(self, name: str) -> Mapping[str, Any]:
        """What a check measured.

        Raises:
            CannotRun: if it was left out or measured nothing; says why.
        """
        outcome = self.outcome(name)
        if outcome is None:
            raise CannotRun(f"the check {name} was left out")
        if not outcome.numbers:
            raise CannotRun(f"the check {name} measured nothing: {outcome.said}")
        return outcome.numbers

    @property
    def audit(self) -> AuditReport:
        """The audit of the first batch."""
        self.numbers("gradients-and-layers")
        return self.subject.audit

    @cached_property
    def training(self) -> ShortTraining:
        """The first steps again, with a look at the evaluation batches in between."""
        subject = self.subject
        order = subject.order(STEPS)
        held_out = []
        if subject.workload.eval is not None:
            held_out = subject.held_out[:EVALUATED]
        training, losses, evaluated = subject.begin(), [], []
        for start in range(0, STEPS + 1, PIECE):
            if held_out:
                found = subject.evaluation_losses(training.arrays, held_out)
                evaluated.append(float(found.mean()))
            if start < STEPS:
                piece = order[start : start + PIECE]
                training, more = subject.train_on(training, piece)
                losses.append(more)
        curves = {"training batches": (np.arange(STEPS), np.concatenate(losses))}
        if held_out:
            steps = np.arange(0, STEPS + 1, PIECE)
            curves["evaluation batches"] = steps, np.asarray(evaluated)
        return ShortTraining(curves, self._trained(training.arrays))

    @property
    def start(self) -> Any:
        """The pytree of what is trained, as it was given."""
        return self._trained(self.subject.pure.start)

    def _trained(self, arrays: Sequence[Any]) -> Any:
        pure = self.subject.pure
        return pure.split.rebuild(arrays, pure.trained(arrays))

    @cached_property
    def maps(self) -> list[tuple[tuple[str, ...], str, np.ndarray]]:
        """Path, ending of the name, and feature maps of the first example."""
        workload = self.subject.workload
        measured = probe(workload.loss_fn, statistics="maps")
        arguments = modules.split(
            (workload.params, self.subject.batch, *workload.extra)
        )
        statistics = jax.jit(lambda *given: measured(*given)[1])(*arguments)
        found = []
        seen: set[int] = set()
        for site, numbers in statistics:
            array = numbers.get("map")
            # The output of a module is that of the last module in it.
            if array is None or id(array) in seen:
                continue
            seen.add(id(array))
            call = f"[{site.index}]" if site.index else ""
            for index, one in enumerate(array.reshape(-1, *array.shape[-3:])):
                ending = f" #{index}" if array.ndim > 3 else ""
                found.append((site.path, f"{call}{ending}", one))
        return found
