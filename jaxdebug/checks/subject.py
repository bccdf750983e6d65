"""What the checks of one check-up share: batches on the device, compiled programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.audits.audit import audit_workload
from jaxdebug.checks.audits.report import AuditReport
from jaxdebug.checks.batch_fields import map_rows, pick, put
from jaxdebug.checks.learning.batches import placed
from jaxdebug.checks.learning.training import Training, begin, step
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.pure_workload import PureWorkload, pure_workload
from jaxdebug.checks.workload import Workload, batches_of
from jaxdebug.programs.program import Program, trace

BATCHES = 200
"""Of each split that are looked at, at most."""

BYTES = 1 << 28
"""Of the batches of a split that lie on the device, at most."""

SHORTLY = 100
"""Steps of the training that several checks look at."""

PIECE = 50
"""After so many steps a training is looked at: this waits for the device."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A workload that is examined, and what is made of it once.

    Attributes:
        workload: as the user gave it.
        seed: of what is drawn.
    """

    workload: Workload
    seed: int = 0

    @cached_property
    def pure(self) -> PureWorkload:
        """Its functions, of flat arrays."""
        return pure_workload(self.workload)

    @cached_property
    def train(self) -> list[Any]:
        """The first training batches of one shape, on the device."""
        return self._placed("train")

    @property
    def batch(self) -> Any:
        """The first training batch, on the device."""
        return self.train[0]

    @cached_property
    def held_out(self) -> list[Any]:
        """The first evaluation batches of one shape, on the device."""
        if self.workload.eval is None:
            raise CannotRun("give `eval`")
        return self._placed("eval")

    def value(self, arrays: Any, batch: Any) -> Any:
        """The loss of a batch alone, to be traced."""
        return self.pure.loss(arrays, batch).value

    @cached_property
    def program(self) -> Program:
        """The loss of the first batch, traced."""
        return trace(self.value, list(self.pure.start), self.batch)

    @cached_property
    def audit(self) -> AuditReport:
        """The audit of the first batch."""
        return audit_workload(self.workload, seed=self.seed)

    @cached_property
    def optimizer(self) -> Any:
        """The user's."""
        if self.workload.optimizer is None:
            raise CannotRun("give `optimizer`")
        return self.workload.optimizer

    @cached_property
    def _step(self) -> Callable[..., Any]:
        pure, optimizer = self.pure, self.optimizer

        @jax.jit
        def run(training: Training, batch: Any, factor: Any) -> tuple[Training, Any]:
            return step(pure, optimizer, training, batch, factor)

        return run

    def begin(self) -> Training:
        """A training before its first step."""
        return begin(self.pure, self.optimizer)

    def train_on(
        self, training: Training, batches: Iterable[Any], factor: float = 1.0
    ) -> tuple[Training, np.ndarray]:
        """Take a step on each of some batches.

        A scan would need no dispatch, but XLA's convolutions on CPU are 50 times
        slower inside a loop (JAX 0.10 to 0.12).

        Args:
            training: where it stands; it is kept.
            batches: of the shapes of the first.
            factor: of the optimiser's updates.

        Returns:
            The training, and the loss before each step.
        """
        losses = []
        for batch in batches:
            training, loss = self._step(training, batch, factor)
            losses.append(loss)
        return training, np.asarray(losses, np.float64)

    def order(self, count: int) -> list[Any]:
        """So many training batches, again from the first where there are fewer."""
        return (self.train * -(-count // len(self.train)))[:count]

    @cached_property
    def shortly(self) -> tuple[list[Any], Training]:
        """A training of 100 steps, and the batches that it saw."""
        training, _ = self.train_on(self.begin(), self.order(SHORTLY))
        return self.train[:SHORTLY], training

    def by_heart(
        self, batch: Any, count: int, enough: Callable[[np.ndarray], bool]
    ) -> np.ndarray:
        """The losses of a training on one batch alone, from the start.

        Args:
            batch: that it learns.
            count: at most so many steps.
            enough: of the losses so far, looked at now and then: whether to stop.
        """
        training, losses = self.begin(), np.zeros(0)
        while losses.size < count and not (losses.size and enough(losses)):
            training, more = self.train_on(training, [batch] * PIECE)
            losses = np.concatenate([losses, more])
        return losses

    def losses(self, arrays: Any, batches: Sequence[Any]) -> np.ndarray:
        """The loss of each of some batches, with the arrays as they are."""
        return np.asarray([self._loss(arrays, one) for one in batches], np.float64)

    @cached_property
    def value_and_gradient(self) -> Callable[[Any, Any], tuple[Any, list[Any]]]:
        """The loss of one batch and its gradient, compiled once for all checks."""
        return jax.jit(self.pure.value_and_gradient)

    def of_one(self, batch: Any, row: int) -> Any:
        """The batch with copies of one of its examples in place of all."""
        return map_rows(batch, lambda leaf: jnp.broadcast_to(leaf[row], leaf.shape))

    def of_first(self, batch: Any, count: int) -> Any:
        """The batch with only its first examples."""
        return map_rows(batch, lambda leaf: leaf[:count])

    def evaluation_losses(self, arrays: Any, batches: Sequence[Any]) -> np.ndarray:
        """As `losses`, in evaluation mode where there is one."""
        found = [self._evaluation_loss(arrays, one) for one in batches]
        return np.asarray(found, np.float64)

    @cached_property
    def _loss(self) -> Callable[..., Any]:
        return self._compiled(self.workload.loss_fn)

    @cached_property
    def _evaluation_loss(self) -> Callable[..., Any]:
        function = self.workload.eval_loss_fn
        return self._loss if function is None else self._compiled(function)

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        pure = self.pure
        return jax.jit(lambda arrays, batch: pure.loss(arrays, batch, function).value)

    @cached_property
    def predict(self) -> Callable[[Any, Any], Any]:
        """Outputs of one batch."""
        if self.workload.predict_fn is None:
            raise CannotRun("give `predict_fn`")
        return jax.jit(self.pure.predict)

    def pick(self, batch: Any, field: str) -> Any:
        """The inputs or targets of a batch."""
        return pick(batch, field, getattr(self.workload, field))

    def blank(self, batch: Any) -> Any:
        """The batch with inputs of zero, of which only a constant can be learned."""
        inputs = self.pick(batch, "inputs")
        return self.put(batch, "inputs", jax.tree.map(jnp.zeros_like, inputs))

    def put(self, batch: Any, field: str, value: Any) -> Any:
        """The batch with other inputs or targets."""
        return put(batch, field, getattr(self.workload, field), value)

    def _placed(self, split: str) -> list[Any]:
        return placed(
            self.workload.name, batches_of(self.workload, split), BATCHES, BYTES
        )
