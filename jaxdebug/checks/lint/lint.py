"""`lint`: what is wrong with a function that can be seen without running it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from types import MappingProxyType
from typing import Any

import jax

from jaxdebug.checks.arguments import positions
from jaxdebug.checks.lint.batch import lint_batch
from jaxdebug.checks.lint.calls import (
    lint_constants,
    lint_donation,
    lint_recompilation,
)
from jaxdebug.checks.lint.hazards import hazards_of, lint_edges, lint_where
from jaxdebug.checks.lint.indices import lint_indices
from jaxdebug.checks.lint.linear import lint_linear
from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.narrowing import lint_narrowing
from jaxdebug.checks.lint.parameters import lint_parameters
from jaxdebug.checks.lint.softmaxes import lint_softmax
from jaxdebug.checks.lint.tracing import linted_of
from jaxdebug.checks.outcome import Outcome
from jaxdebug.checks.outcome_report import OutcomeReport, outcome_report
from jaxdebug.checks.selection import selected
from jaxdebug.checks.settings import undisturbed
from jaxdebug.checks.workload import Workload, first_batch
from jaxdebug.findings.silence import require_patterns
from jaxdebug.programs.coverage import unseen
from jaxdebug.programs.program import require_function
from jaxdebug.programs.self_test import require_rules


def _edges(linted: Linted) -> Iterator[Outcome]:
    hazards = hazards_of(linted)
    for kind in ("log", "division", "root"):
        yield lint_edges(linted, hazards, kind)
    yield lint_where(linted, hazards)


Lint = Callable[[Linted], Iterable[Outcome]]

LINTS: Mapping[tuple[str, ...], Lint] = MappingProxyType(
    {
        ("log", "division", "root", "where"): _edges,
        ("softmax",): lambda linted: [lint_softmax(linted)],
        ("unused", "blocked"): lint_parameters,
        ("batch", "broadcast"): lint_batch,
        ("linear",): lambda linted: [lint_linear(linted)],
        ("index",): lambda linted: [lint_indices(linted)],
        ("narrowing",): lambda linted: [lint_narrowing(linted)],
        ("constants",): lambda linted: [lint_constants(linted)],
        ("donation",): lambda linted: [lint_donation(linted)],
        ("recompilation",): lambda linted: [lint_recompilation(linted)],
    }
)
"""Every lint, by the names of the outcomes that it gives."""

NAMES = tuple(name for names in LINTS for name in names)


def lint(
    fn: Callable[..., Any],
    *,
    argnums: int | Sequence[int] | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    silence: Sequence[str] = (),
) -> Callable[..., OutcomeReport]:
    """What is wrong with a function that can be seen without running it.

    Args:
        fn: a function of pytrees of arrays, such as a loss, a model or a train step;
            it may be jitted. NNX and Equinox modules are accepted.
        argnums: the arguments that hold the parameters, as in `jax.grad`. By default,
            of a function that returns a scalar, or a tuple that begins with one, and
            takes no derivatives itself, argument 0, or `params` in it. Lints of
            gradients and of parameters need them.
        only: names of lints to run; all by default.
        skip: names of lints to leave out.
        silence: patterns of findings that do not count: `"code"` or `"code:where"`.

    Returns:
        A function with the arguments of `fn` that returns an `OutcomeReport`, one
        outcome a lint. Its arguments may be shape structs: values are not looked at.

    Raises:
        TypeError: if `fn` is no function.
        ValueError: if a name is of no lint, or a pattern of no finding.

    Cost:
        One trace of `fn`; nothing is compiled or run.

    Limits:
        Of inputs any finite value is taken for possible and none for usual: a lint
        warns only where the program itself makes the bad value. Kernels and callbacks
        are not seen into, and are named.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def loss(w, x):
        ...     return -jnp.log(jax.nn.softmax(x @ w)).mean()
        >>> report = lint(loss)(jnp.ones((3, 2)), jnp.ones((4, 3)))
        >>> report.findings[0].code
        'unguarded-log'
    """
    require_function("lint", fn)
    wanted = selected("lint", NAMES, only, skip)
    patterns = require_patterns("silence", silence)
    name = getattr(fn, "__name__", "function")

    @wraps(fn, updated=())
    def linted(*args: Any, **kwargs: Any) -> OutcomeReport:
        started = time.perf_counter()
        numbers = None if argnums is None else positions(argnums, len(args))
        with undisturbed((args, kwargs)), jax.disable_jit(False):
            require_rules("lint")
            seen = linted_of(fn, numbers, args, kwargs)
            outcomes = _outcomes(seen, wanted)
        said = [f"not seen into: {part}" for part in unseen(seen.graph)]
        if seen.assumed:
            said.append(
                "argument 0 is taken for the parameters: argnums says otherwise"
            )
        return outcome_report(
            "lint",
            name,
            outcomes,
            silence=patterns,
            seconds=time.perf_counter() - started,
            said=said,
        )

    return linted


def lint_workload(
    workload: Workload,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    silence: Sequence[str] = (),
) -> OutcomeReport:
    """Lint the loss of a workload at its first batch.

    Args:
        workload: the workload.
        only: as in `lint`.
        skip: as in `lint`.
        silence: as in `lint`.
    """
    check = lint(workload.loss_fn, argnums=0, only=only, skip=skip, silence=silence)
    report = check(workload.params, first_batch(workload), *workload.extra)
    return replace(report, name=workload.name)


def _outcomes(linted: Linted, wanted: frozenset[str]) -> Iterator[Outcome]:
    for names, run in LINTS.items():
        if wanted.isdisjoint(names):
            continue
        begun = time.perf_counter()
        for one in run(linted):
            now = time.perf_counter()
            if one.name in wanted:
                yield replace(one, seconds=now - begun)
            begun = now
