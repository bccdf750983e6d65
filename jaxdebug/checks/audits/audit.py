"""`audit`: one batch, its gradients compared and every layer measured."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax

from jaxdebug.checks.arguments import (
    AuditInputError,
    place_arguments,
    require_names,
    require_seed,
)
from jaxdebug.checks.audits.plan import Plan, make_plan
from jaxdebug.checks.audits.report import AuditReport
from jaxdebug.checks.audits.result import build_report
from jaxdebug.checks.gradients.answers import STANDARD
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.differences import DIRECTIONS
from jaxdebug.checks.gradients.plan import make_gradient_plan
from jaxdebug.checks.gradients.problem import Problem, split_problem
from jaxdebug.checks.gradients.wider import Wider
from jaxdebug.checks.settings import undisturbed
from jaxdebug.checks.workload import Workload, WorkloadError, first_batch
from jaxdebug.checks.workload_fields import require_optimizer
from jaxdebug.findings.silence import require_patterns
from jaxdebug.programs.program import by_signature, require_function
from jaxdebug.programs.self_test import require_rules


def audit(
    loss_fn: Callable[..., Any],
    *,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    optimizer: Any = None,
    expected: Sequence[str] = (),
    seed: int = 0,
    silence: Sequence[str] = (),
) -> Callable[..., AuditReport]:
    """Audit one batch: compare the gradients, measure every layer.

    Gradients are judged as by `check_gradients`: each custom derivative rule against
    its own function, the gradient against that of the loss without custom rules, and
    differences of the loss along random directions, in float64 whatever dtypes the
    model uses. Every layer's output and cotangent, every parameter and gradient (and
    update, with an optimizer) is measured in the model's own precision.

    Args:
        loss_fn: `loss_fn(params, batch, ...)`; returns a scalar, or `(scalar,
            aux)` with `has_aux=True`.
        argnums: which arguments hold parameters, as in `jax.grad`. Their integer
            leaves and keys are left alone.
        has_aux: whether the loss returns `(loss, aux)`.
        optimizer: an `optax.GradientTransformation`; its first update is
            measured. Needs a single argument of parameters.
        expected: names of functions whose derivative rule is meant to differ from
            the function, as for `check_gradients`.
        seed: of the directions and the displacement.
        silence: findings that are known and accepted, as `"code"` or
            `"code:where"` with wildcards. They are listed, but do not count.

    Returns:
        A function with the arguments of `loss_fn` that returns an `AuditReport`.

    Raises:
        ValueError: if an entry of `silence` names no code; when called, if the
            loss is not a real scalar, or if there is no inexact leaf to
            differentiate by.
        TypeError: when called, if an argument is not a pytree of arrays.

    Cost:
        The gradient program once in the model's precision, and what
        `check_gradients` states; two compilations.

    Limits:
        Those of `check_gradients`. Kernels, callbacks and primitives without a rule
        run in their native precision and are named in the report.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(w, x):
        ...     return jnp.mean((x @ w) ** 2)
        >>> report = audit(loss)(jnp.ones(3), jnp.ones((4, 3)))
        >>> report.verdict.value
        'pass'
    """

    require_function("audit", loss_fn)
    require_optimizer("audit", optimizer)
    require_seed("audit", seed)
    expected = require_names("audit", expected)
    silence = require_patterns("silence", silence)

    def problem(arrays: Any) -> Problem:
        return split_problem(loss_fn, argnums, has_aux, None, *arrays, is_loss=True)

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Plan:
        require_rules("audit")
        arrays = args, kwargs
        return make_plan(problem(arrays), jax.tree.leaves(arrays), optimizer, expected)

    def ask(arrays: Any) -> Asked:
        leaves = jax.tree.leaves(arrays)
        made = make_gradient_plan(problem(arrays), leaves, expected, DIRECTIONS)
        return made.at(leaves, seed)

    def measure(*args: Any, **kwargs: Any) -> AuditReport:
        started = time.perf_counter()
        arrays = place_arguments(args, kwargs)
        made = plan(*arrays[0], **arrays[1])
        leaves = jax.tree.leaves(arrays)
        measured, asked = made.run(leaves, seed)
        name = getattr(loss_fn, "__name__", "loss")
        on_host = jax.device_get(leaves)
        return build_report(
            made,
            measured,
            asked,
            on_host,
            name,
            expected,
            seed,
            started,
            silence,
            Wider(arrays, ask, expected, STANDARD),
        )

    @wraps(loss_fn, updated=())
    def audited(*args: Any, **kwargs: Any) -> AuditReport:
        # A report on a NaN says more than the exception these settings raise.
        with undisturbed((args, kwargs)):
            return measure(*args, **kwargs)

    return audited


def audit_workload(
    workload: Workload, *, seed: int = 0, silence: Sequence[str] = ()
) -> AuditReport:
    """Audit the first training batch of a workload.

    Args:
        workload: the loss, its parameters and data.
        seed: of the directions and the displacement.
        silence: findings that do not count, as for `audit`.

    Raises:
        WorkloadError: if the workload cannot be audited; says why.
    """
    batch = first_batch(workload)
    _require_arguments(workload)
    audited = audit(
        workload.loss_fn,
        has_aux=workload.has_aux,
        optimizer=workload.optimizer,
        seed=seed,
        silence=silence,
    )
    try:
        report = audited(workload.params, batch, *workload.extra)
    except AuditInputError as error:
        raise WorkloadError(f"workload {workload.name!r}: {error}") from error
    return report.named(workload.name)


def _require_arguments(workload: Workload) -> None:
    """Refuse a loss that cannot be called with what the workload gives it."""
    try:
        signature = inspect.signature(workload.loss_fn)
    except (TypeError, ValueError):  # builtins may have no signature
        return
    try:
        signature.bind(None, None, *workload.extra)
    except TypeError as error:
        raise WorkloadError(
            f"workload {workload.name!r}: loss_fn is called as loss_fn(params, batch, "
            f"*extra) with {len(workload.extra)} values in extra; found "
            f"loss_fn{signature}: {error}. Give what is missing as extra=(value, ...)."
        ) from None
