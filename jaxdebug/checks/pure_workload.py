"""A workload as pure functions of flat arrays: what can be jitted, scanned and changed.

The arrays are those of the parameters and of the loss's further arguments, in one
list. What the loss changes in place in a module of NNX, such as running averages and
the counters of random streams, is handed on in the list that it leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdebug.checks.arguments import (
    AuditInputError,
    Split,
    place_arguments,
    split_arguments,
)
from jaxdebug.checks.gradients.problem import scalar_of
from jaxdebug.checks.workload import Workload, WorkloadError
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.programs.random_keys import is_key

Arrays = Sequence[Any]


class Loss(NamedTuple):
    """What a loss returns and leaves behind."""

    value: Any
    aux: Any
    arrays: list[Any]
    """All arrays after the call; those that are trained are as they were."""


@dataclass(frozen=True, eq=False)
class PureWorkload:
    """The functions of a workload, of flat arrays.

    Attributes:
        workload: as the user gave it.
        split: which of the arrays are trained, and their paths.
        start: the arrays, on the device.
    """

    workload: Workload
    split: Split
    start: tuple[Any, ...]

    def loss(
        self, arrays: Arrays, batch: Any, function: Callable[..., Any] | None = None
    ) -> Loss:
        """The loss of a batch.

        Args:
            arrays: all of them.
            batch: as the workload's data gives it.
            function: called in place of `loss_fn`, such as `eval_loss_fn`.
        """
        params, *extra = self._arguments(arrays)
        called = returning_changes(function or self.workload.loss_fn)
        stepped = called(params, batch, *extra)
        has_aux = self.workload.has_aux
        value = scalar_of(modules.rebuild(stepped.result), has_aux)
        aux = stepped.result[1] if has_aux else None
        return Loss(value, aux, self._after(arrays, stepped.objects))

    def value_and_gradient(self, arrays: Arrays, batch: Any) -> tuple[Any, list[Any]]:
        """The loss of a batch, and its gradient by each of the arrays that are trained.

        Args:
            arrays: all of them.
            batch: as the workload's data gives it.
        """

        def value(moving: Any) -> Any:
            return self.loss(self.split.with_moving(arrays, moving), batch).value

        return jax.value_and_grad(value)(self.trained(arrays))

    def predict(self, arrays: Arrays, batch: Any) -> Any:
        """What `predict_fn` returns, its modules taken apart."""
        params, *extra = self._arguments(arrays)
        assert self.workload.predict_fn is not None
        return returning_changes(self.workload.predict_fn)(params, batch, *extra).result

    def advance(self, arrays: Arrays, aux: Any, step: Any) -> list[Any]:
        """The arrays with the further arguments of the next step.

        Args:
            arrays: after the loss.
            aux: that it returned.
            step: number of the step that is next.
        """
        params, *extra = self._arguments(arrays)
        chosen = self.workload.next_extra
        if chosen is None:
            further = [
                jax.random.fold_in(leaf, step) if is_key(leaf) else leaf
                for leaf in jax.tree.leaves(tuple(extra))
            ]
        else:
            # What comes back stands where it stood, whatever its containers are.
            further = jax.tree.leaves(
                modules.split(chosen(modules.rebuild(tuple(extra)), aux, step))
            )
        own = len(jax.tree.leaves(params))
        if len(further) != len(arrays) - own:
            raise WorkloadError(
                f"workload {self.workload.name!r}: expected next_extra(extra, aux, "
                f"step) to return as many arrays as extra has, {len(arrays) - own}; "
                f"found {len(further)}. Return the next extra, a tuple of the same "
                "structure."
            )
        return [*arrays[:own], *further]

    def trained(self, arrays: Arrays) -> list[Any]:
        """Those of the arrays that are trained."""
        return [arrays[index] for index in self.split.moving]

    def _arguments(self, arrays: Arrays) -> tuple[Any, ...]:
        return jax.tree.unflatten(self.split.tree, list(arrays))[0]

    def _after(self, arrays: Arrays, objects: Sequence[Any]) -> list[Any]:
        changed = iter(objects)
        nodes = jax.tree.leaves(self._arguments(arrays), is_leaf=modules.is_taken)
        after: list[Any] = []
        for node in nodes:
            in_place = modules.is_taken(node) and node.form.in_place
            after += jax.tree.leaves(next(changed) if in_place and objects else node)
        if len(after) != len(arrays):
            raise WorkloadError(
                f"workload {self.workload.name!r}: expected loss_fn to leave the "
                f"arrays of its modules in their places; found {len(after)} in place "
                f"of {len(arrays)}. Make all variables before the first call, also "
                "those that nnx.Intermediate and sow add."
            )
        return after


def pure_workload(workload: Workload) -> PureWorkload:
    """The functions of a workload, of flat arrays.

    Raises:
        WorkloadError: if its parameters or `extra` are no arrays, or none can be
            differentiated by.
    """
    try:
        placed = place_arguments((workload.params, *workload.extra), {})
        split = split_arguments(0, *placed)
    except AuditInputError as error:
        raise WorkloadError(f"workload {workload.name!r}: {error}") from error
    # Committed numbers, so that the second step is the program of the first.
    start = tuple(
        leaf if is_key(leaf) else jnp.asarray(leaf, leaf.dtype)
        for leaf in jax.tree.leaves(placed)
    )
    return PureWorkload(workload, split, start)
