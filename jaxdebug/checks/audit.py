"""`audit`: one batch, its gradients compared and every layer measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.audit_report import AuditReport
from jaxdebug.checks.audit_result import build_report, judge
from jaxdebug.checks.loss import (
    AuditInputError,
    Loss,
    place_arguments,
    split_loss,
)
from jaxdebug.checks.workload import Workload, WorkloadError, first_batch
from jaxdebug.gradients.differences import Differences, central_differences
from jaxdebug.gradients.directions import gaussian
from jaxdebug.gradients.verdict import needs_another_look
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.program import Program, by_signature, trace
from jaxdebug.programs.self_test import require_rules
from jaxdebug.programs.shadow import Shadowed, shadow_program, widen, widen_on_host
from jaxdebug.statistics.probe import Probed, probed_layers
from jaxdebug.statistics.site_statistics import Statistics


def audit(
    loss_fn: Callable[..., Any],
    *,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    optimizer: Any = None,
    seed: int = 0,
) -> Callable[..., AuditReport]:
    """Audit one batch: compare the gradients, measure every layer.

    The gradient of each leaf is compared with central differences of the loss
    along one Gaussian direction, in float64 whatever dtypes the model uses, at
    a point displaced by a thousandth of each leaf's scale, where no kink lies,
    and at the point itself. Every layer's output and cotangent, every parameter
    and gradient (and update, with an optimizer) is measured in the model's own
    precision.

    Args:
        loss_fn: `loss_fn(params, batch, ...)`; returns a scalar, or `(scalar,
            aux)` with `has_aux=True`.
        argnums: which arguments hold parameters, as in `jax.grad`. Their integer
            leaves and keys are left alone.
        has_aux: whether the loss returns `(loss, aux)`.
        optimizer: an `optax.GradientTransformation`; its first update is
            measured. Needs a single argument of parameters.
        seed: of the directions and the displacement.

    Returns:
        A function with the arguments of `loss_fn` that returns an `AuditReport`.

    Raises:
        ValueError: when called, if the loss is not a real scalar, or if there is
            no inexact leaf to differentiate by.
        TypeError: when called, if an argument is not a pytree of arrays.

    Cost:
        One jitted call: the gradient program once in the model's precision and
        twice in float64, and `2 + 12 * leaves` losses in float64. It compiles
        both; memory is that of two float64 gradients. Leaves that fail or cannot
        be decided are looked at again near other points, at most twice. Where the
        device has no float64 or too little memory, the float64 part runs on the
        CPU.

    Limits:
        One direction for each leaf bounds the error of that leaf's gradient
        only in expectation; an error confined to few of many elements may be
        missed. Kernels, callbacks and primitives without a rule run in their
        native precision and are named in the report.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(w, x):
        ...     return jnp.mean((x @ w) ** 2)
        >>> report = audit(loss)(jnp.ones(3), jnp.ones((4, 3)))
        >>> report.verdict.value
        'pass'
    """

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Plan:
        require_rules("audit")
        loss = split_loss(loss_fn, argnums, has_aux, args, kwargs)
        return make_plan(loss, (args, kwargs), optimizer)

    def measure(*args: Any, **kwargs: Any) -> AuditReport:
        started = time.perf_counter()
        arrays = place_arguments(args, kwargs)
        made = plan(*arrays[0], **arrays[1])
        leaves = jax.tree.leaves(arrays)
        on_host = jax.device_get(leaves)
        moves = made.moves(on_host, seed)
        measured = made.run(leaves, moves)
        attempts = [judge(made, measured, moves)]
        while needs_another_look(attempts):
            moves = made.moves(on_host, seed + len(attempts))
            attempts.append(judge(made, made.run(leaves, moves), moves))
        name = getattr(loss_fn, "__name__", "loss")
        seconds = time.perf_counter() - started
        return build_report(made, measured, attempts, on_host, name, seed, seconds)

    @wraps(loss_fn, updated=())
    def audited(*args: Any, **kwargs: Any) -> AuditReport:
        # A report on a NaN says more than the exception these settings raise.
        with jax.debug_nans(False), jax.debug_infs(False):
            return measure(*args, **kwargs)

    return audited


def audit_workload(workload: Workload, *, seed: int = 0) -> AuditReport:
    """Audit the first training batch of a workload.

    Args:
        workload: the loss, its parameters and data.
        seed: of the directions and the displacement.

    Raises:
        WorkloadError: if the workload cannot be audited; says why.
    """
    batch = first_batch(workload)
    audited = audit(
        workload.loss_fn,
        has_aux=workload.has_aux,
        optimizer=workload.optimizer,
        seed=seed,
    )
    try:
        report = audited(workload.params, batch, *workload.extra)
    except AuditInputError as error:
        raise WorkloadError(f"workload {workload.name!r}: {error}") from error
    return report.named(workload.name)


class Measured(NamedTuple):
    """What one run of an audit brings back to the host."""

    loss: Any
    layers: Statistics
    gradients: Sequence[Any]
    updates: Sequence[Any] | None
    differences: Differences


class Moves(NamedTuple):
    """How each moving leaf moves, in float64 and of the leaf's scale."""

    directions: Sequence[np.ndarray]
    shifts: Sequence[np.ndarray]


class Plan(NamedTuple):
    """Everything about one signature that is traced and compiled once."""

    loss: Loss
    graph: Graph
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
            wide = _in_float64(self.wide, jax.device_get(list(leaves)), moves)
        loss, layers, gradients, updates = native
        return Measured(loss, layers, gradients, updates, jax.device_get(wide))

    def moves(self, leaves: Sequence[Any], seed: int) -> Moves:
        """Directions and displacements of the moving leaves, on the host."""
        wide = [widen_on_host(leaves[index]) for index in self.loss.moving]
        pairs = list(zip(wide, self.loss.paths, strict=True))
        return Moves(
            [gaussian(leaf, path, "direction", seed) for leaf, path in pairs],
            [gaussian(leaf, path, "jitter", seed) for leaf, path in pairs],
        )


def make_plan(loss: Loss, arguments: Any, optimizer: Any) -> Plan:
    """Trace the programs of an audit.

    Args:
        loss: the loss on flat arrays.
        arguments: `(args, kwargs)` as arrays.
        optimizer: an `optax.GradientTransformation` or None.
    """
    leaves = jax.tree.leaves(arguments)
    program = trace(loss.scalar, *leaves)
    gradient_program = trace(loss.gradient, *leaves)
    layers = probed_layers(gradient_program)
    shadow, shadow_gradient = (
        shadow_program(program),
        shadow_program(gradient_program),
    )
    update = None if optimizer is None else _update_program(loss, leaves, optimizer)

    def native(leaves: Sequence[Any]) -> tuple[Any, ...]:
        (value, gradients), statistics = layers(*leaves)
        updates = None
        if update is not None:
            updates = jax.tree.leaves(update(list(leaves), gradients))
        return value, statistics, gradients, updates

    def wide(leaves: Sequence[Any], moves: Moves) -> Differences:
        leaves = [*map(widen, leaves)]
        return central_differences(
            lambda moving: shadow.apply(loss.with_moving(leaves, moving))[0],
            lambda moving: shadow_gradient.apply(loss.with_moving(leaves, moving))[1:],
            [leaves[index] for index in loss.moving],
            *moves,
        )

    def both(leaves: Sequence[Any], moves: Moves) -> Measured:
        value, statistics, gradients, updates = native(leaves)
        return Measured(value, statistics, gradients, updates, wide(leaves, moves))

    return Plan(
        loss,
        build_graph(program.jaxpr),
        layers,
        shadow,
        shadow_gradient,
        jax.jit(native),
        jax.jit(wide),
        jax.jit(both),
    )


def _update_program(loss: Loss, leaves: Sequence[Any], optimizer: Any) -> Program:
    """The optimiser's first update, traced with the user's own settings."""

    if len(loss.arguments) != 1:
        raise AuditInputError(
            "expected a single argument of parameters, because optimizer is given; "
            f"found argnums={', '.join(map(str, loss.arguments))}. Put the parameters "
            "into one pytree, or leave the optimizer out."
        )

    def update(leaves: Sequence[Any], gradients: Sequence[Any]) -> Any:
        moving = [leaves[index] for index in loss.moving]
        parameters = loss.rebuild(leaves, moving)
        tree = loss.rebuild(leaves, gradients)
        updates, _ = optimizer.update(tree, optimizer.init(parameters), parameters)
        return updates

    return trace(update, list(leaves), [leaves[index] for index in loss.moving])


def _in_float64(function: Callable[..., Any], *args: Any) -> Any:
    with jax.enable_x64(True):
        return function(*jax.device_put(args))


def _has_float64() -> bool:
    return jax.default_backend() in ("cpu", "gpu", "cuda", "rocm")
