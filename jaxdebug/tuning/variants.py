"""A workload whose optimiser and loss take settings, as the course of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.learning.batches import placed
from jaxdebug.checks.learning.training import Training, begin, step
from jaxdebug.checks.pure_workload import PureWorkload, pure_workload
from jaxdebug.checks.subject import BATCHES, BYTES
from jaxdebug.checks.workload import Workload, WorkloadError, batches_of
from jaxdebug.programs.program import trace
from jaxdebug.programs.random_keys import is_key
from jaxdebug.tuning.course import Course, contains_convolution
from jaxdebug.tuning.settings import Values, given
from jaxdebug.tuning.side_by_side import Asked, Trained, train_side_by_side

Change = Callable[[Any, Mapping[str, Any]], Any]
"""Of a batch, by the settings."""


@dataclass(frozen=True, eq=False)
class Variants:
    """A workload, and what of it takes settings.

    Attributes:
        workload: as the user gave it.
        optimizer: a function of settings that returns one; by default the workload's.
        loss_fn: that is trained on, as the workload's, with settings by keyword.
        init: parameters of a key, for each seed; by default the workload's.
        change: of each batch before it is used.
    """

    workload: Workload
    optimizer: Callable[..., Any] | None = None
    loss_fn: Callable[..., Any] | None = None
    init: Callable[[Any], Any] | None = None
    change: Change | None = None

    @cached_property
    def pure(self) -> PureWorkload:
        """Its functions, of flat arrays."""
        return pure_workload(self.workload)

    @cached_property
    def batches(self) -> dict[str, Any]:
        """What is trained on and what is evaluated on, each stacked."""
        train = self._stacked("train")
        has_eval = self.workload.eval is not None
        return {"train": train, "eval": self._stacked("eval") if has_eval else train}

    @cached_property
    def count(self) -> int:
        """How many batches are trained on."""
        return len(jax.tree.leaves(self.batches["train"])[0])

    @cached_property
    def has_convolution(self) -> bool:
        """Whether the loss has one."""
        first = jax.tree.map(lambda leaf: leaf[0], self.batches["train"])

        def value(arrays: Any) -> Any:
            return self.pure.loss(arrays, first).value

        return contains_convolution(trace(value, list(self.pure.start)).jaxpr)

    def with_change(self, change: Change) -> Variants:
        """The same with a change of each batch; the batches are not read again."""
        changed = replace(self, change=change)
        vars(changed)["batches"] = self.batches
        return changed

    def course(self) -> Course:
        """A training, with a batch for each step."""
        count = len(jax.tree.leaves(self.batches["eval"])[0])
        return Course(self.begin, self.step, self.evaluate, count)

    def train(
        self, settings: Values, seeds: Sequence[int], steps: int, memory: int | None
    ) -> Trained:
        """Train with all settings from all seeds."""
        return train_side_by_side(self.asked(settings, seeds, steps), memory)

    def asked(self, settings: Values, seeds: Sequence[int], steps: int) -> Asked:
        """Trainings with all settings from all seeds."""
        return Asked(
            self.course(),
            self.batches,
            settings,
            self.starts(seeds),
            (self.orders(seeds, steps),),
            self.has_convolution,
        )

    def begin(self, settings: Any, start: Sequence[Any]) -> Training:
        """A training before its first step."""
        pure, optimizer = self._given(settings)
        return begin(pure, optimizer, start)

    def step(
        self,
        data: Any,
        settings: Any,
        training: Training,
        index: Any,
        factor: Any = 1.0,
    ) -> tuple[Training, Any]:
        """Take a step on one of the batches."""
        pure, optimizer = self._given(settings)
        batch = jax.tree.map(lambda leaf: leaf[index], data["train"])
        return step(pure, optimizer, training, self._changed(batch, settings), factor)

    def evaluate(self, data: Any, settings: Any, training: Training, index: Any) -> Any:
        """The loss of a batch in evaluation, by the workload's own function."""
        batch = jax.tree.map(lambda leaf: leaf[index], data["eval"])
        function = self.workload.eval_loss_fn
        changed = self._changed(batch, settings)
        return self.pure.loss(training.arrays, changed, function).value

    def starts(self, seeds: Sequence[int]) -> list[Any]:
        """The arrays that each seed starts from, stacked."""
        return jax.tree.map(lambda *rows: jnp.stack(rows), *map(self._start, seeds))

    def orders(self, seeds: Sequence[int], steps: int) -> np.ndarray:
        """Which batch each step takes, for each seed."""

        def order(seed: int) -> np.ndarray:
            draw = np.random.default_rng(seed)
            epochs = -(-steps // self.count)
            rows = [draw.permutation(self.count) for _ in range(epochs)]
            return np.concatenate(rows)[:steps].astype(np.int32)

        return np.stack([*map(order, seeds)])

    def _start(self, seed: int) -> list[Any]:
        pure = self.pure
        if self.init is not None:
            params = self.init(jax.random.key(seed))
            own = pure_workload(replace(self.workload, params=params))
            _require_alike(self.workload.name, pure, own)
            pure = own
        return [
            jax.random.fold_in(leaf, seed) if is_key(leaf) else leaf
            for leaf in pure.start
        ]

    def _given(self, settings: Any) -> tuple[PureWorkload, Any]:
        pure, optimizer = self.pure, self.workload.optimizer
        if self.loss_fn is not None:
            loss_fn = given(self.loss_fn, settings)
            pure = replace(pure, workload=replace(self.workload, loss_fn=loss_fn))
        if self.optimizer is not None:
            optimizer = given(self.optimizer, settings)()
        return pure, optimizer

    def _changed(self, batch: Any, settings: Any) -> Any:
        return batch if self.change is None else self.change(batch, settings)

    def _stacked(self, split: str) -> Any:
        name = self.workload.name
        found = placed(name, batches_of(self.workload, split), BATCHES, BYTES)
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


def _require_alike(name: str, pure: PureWorkload, own: PureWorkload) -> None:
    expected, found = (
        (one.split.tree, [*map(jax.typeof, one.start)]) for one in (pure, own)
    )
    if expected != found:
        raise WorkloadError(
            f"workload {name!r}: expected init(key) to return parameters of the "
            "structure, shapes and dtypes of the workload's params; found others. "
            "Return what stands in params, such as model.init(key, x)['params']."
        )
