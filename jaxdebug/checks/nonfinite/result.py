"""From what was found to the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.nonfinite.carriers import Kind, Trial
from jaxdebug.checks.nonfinite.contexts import (
    Context,
    Forward,
    forward_of,
    is_unselected,
    zero_in_words,
)
from jaxdebug.checks.nonfinite.finding import nonfinite_finding
from jaxdebug.checks.nonfinite.origin import Origin, Sites, describe
from jaxdebug.checks.nonfinite.reasons import reason_of, value_of
from jaxdebug.checks.nonfinite.report import (
    NonfiniteInput,
    NonfiniteOutput,
    NonfiniteReport,
)
from jaxdebug.checks.nonfinite.search import Found
from jaxdebug.checks.nonfinite.trace_back import Given, Made
from jaxdebug.findings import Severity
from jaxdebug.programs.places import is_inexact
from jaxdebug.reports import Verdict

_NARROW = (
    "Compute this part in float32 or bfloat16, which reach to 1e38, or lower the loss "
    "scale."
)
_LOG = (
    "Keep zeros out of the log: log_softmax of the logits, jax.scipy.special.xlogy, "
    "or a small number added inside."
)
MASK_HINTS = {
    "overflow in float16": _NARROW,
    "does not fit float16": _NARROW,
    "overflow": "Bring the operands down before: subtract the largest before exp, as "
    "jax.nn.softmax and logsumexp do. Where they are huge already, values grew before: "
    "lower the learning rate, or clip the gradient.",
    "log of 0": _LOG,
    "0, in the derivative of log": _LOG,
    "division by 0": "Add a small number to the divisor, or divide by a harmless one "
    "where it is zero: jnp.where(d == 0, 1, d).",
    "negative": "Keep the operand inside the domain: clip it, or look for the "
    "rounding that brought it out.",
    "not positive definite": "Add a small number to the diagonal before the cholesky.",
    "singular": "Add a small number to the diagonal, or use a least-squares solve.",
    "out of bounds": "Check the indices; mode='clip' or 'promise_in_bounds' changes "
    "what happens outside.",
    "0/0": "Add a small number to the divisor, or divide by a harmless one where it "
    "is zero: jnp.where(d == 0, 1, d).",
    "outside": "Clip the operand to the domain before: jnp.clip(x, -1 + eps, 1 - eps).",
}
"""What to try, by words of the reason."""


def finite_report(name: str, outputs: Any, started: float) -> NonfiniteReport:
    """The report of a function whose outputs are as they should be.

    Args:
        name: of the function.
        outputs: those that hold infinities that were meant.
        started: when the call began.
    """
    reason = "every output is finite"
    if outputs:
        reason = "no output is NaN; infinities are constants, masks or handed on"
    return NonfiniteReport(
        name,
        Verdict.PASS,
        "",
        reason,
        None,
        None,
        None,
        outputs,
        (),
        (),
        _cost(started),
    )


def unknown_report(
    name: str, outputs: tuple[NonfiniteOutput, ...], why: str, started: float
) -> NonfiniteReport:
    """The report where an output is not finite and its origin was not found."""
    kind = "nan" if any(output.nan for output in outputs) else "inf"
    return NonfiniteReport(
        name,
        Verdict.INCONCLUSIVE,
        kind,
        f"not identified: {why}",
        None,
        None,
        None,
        outputs,
        (),
        (),
        _cost(started),
    )


def found_report(
    name: str,
    found: Found,
    outputs: tuple[NonfiniteOutput, ...],
    sites: Sites,
    inputs: Sequence[tuple[str, Any]],
    notes: tuple[str, ...],
    started: float,
    *,
    passed_over: bool = False,
) -> NonfiniteReport:
    """The report of what was found.

    Args:
        name: of the function.
        found: what failed and why.
        outputs: those that are not finite.
        sites: of the program.
        inputs: name and array of each input.
        notes: what limits the answer.
        started: when the call began.
        passed_over: whether only gradients are not finite.
    """
    forward = forward_of(sites.graph)
    failed = cause = None
    contexts: list[Context] = []
    if found.failed is not None:
        reason, contexts = _failure(found, sites, forward)
        failed = describe(found.failed, found.kind, sites, reason)
    if found.cause is not None:
        reason, more = _cause(found.cause, sites, forward)
        cause = describe(found.cause, Kind.INFINITE, sites, reason)
        contexts += more
    given = None if found.given is None else _given(found.given, inputs)
    remedies = [context.remedy for context in contexts]
    for origin in (cause, failed):
        if origin is not None and not (contexts and origin is failed):
            remedies += [h for words, h in MASK_HINTS.items() if words in origin.reason]
    reason = _headline(failed, cause, given)
    tried = tuple(dict.fromkeys(remedies))
    finding = nonfinite_finding(failed, cause, given, reason, tried)
    if passed_over:
        reason = f"every output is finite, a gradient is not: {reason}"
        finding = replace(finding, severity=Severity.WARNING, message=reason)
    return NonfiniteReport(
        name,
        Verdict.PASS if passed_over else Verdict.FAIL,
        found.kind.value,
        reason,
        failed,
        cause,
        given,
        outputs,
        tried,
        notes,
        _cost(started),
        (finding,),
    )


def _failure(found: Found, sites: Sites, forward: Forward) -> tuple[str, list[Context]]:
    """Why what failed did, and the situations that are known of it."""
    made = found.failed
    assert made is not None
    if found.written is not None:
        where = "in an array that the function closes over"
        what = where if found.written.captured else "written as a constant"
        return f"a NaN {what} is read", []
    reason = reason_of(made, found.kind)
    if found.kind is Kind.INFINITE:
        why, contexts = _cause(made, sites, forward)
        return why, contexts
    contexts = []
    name = made.raw.primitive.name
    backward = sites.direction(sites.step(made)) == "backward"
    zeros = _zeros(made)
    if found.masked and name in ("sub", "reduce_sum", "add", "dot_general", "div"):
        contexts.append(Context.MASKED)
    if backward:
        operation = forward.operation(sites.step(made))
        of = f" in the derivative of {operation}" if operation else ""
        if any(is_unselected(sites.graph, made.frame, atom) for atom in zeros):
            contexts.append(Context.WHERE)
        elif operation and found.cause is None and name == "div":
            contexts.append(Context.DERIVATIVE)
        reason += of
    elif name == "div" and zeros:
        known = zero_in_words(made.frame, made.raw.invars[1])
        contexts += [known] if known else []
    return ": ".join([reason, *(c.words for c in contexts)]), contexts


def _cause(made: Made, sites: Sites, forward: Forward) -> tuple[str, list[Context]]:
    """Why an infinity was made, and the situations that are known of it."""
    reason = reason_of(made, Kind.INFINITE)
    name = made.raw.primitive.name
    known = None
    if name in ("div", "rsqrt"):
        known = zero_in_words(made.frame, made.raw.invars[-1])
    operation = forward.operation(sites.step(made))
    if name in ("div", "pow", "integer_pow") and operation not in ("", name):
        reason += f", in the derivative of {operation}"
    contexts = [] if known is None else [known]
    return ": ".join([reason, *(c.words for c in contexts)]), contexts


def _zeros(made: Made) -> list[Any]:
    """The operands that are zero at the element."""
    trial = Trial(made.frame, made.index, made.result, made.element)
    if not trial.pointwise:
        return []
    return [
        atom
        for atom, value in zip(made.raw.invars, trial.operands, strict=True)
        if is_inexact(atom.aval) and value_of(value) == 0
    ]


def _headline(
    failed: Origin | None, cause: Origin | None, given: NonfiniteInput | None
) -> str:
    parts = []
    if failed is not None:
        parts.append(f"{_named(failed)}: {failed.reason}")
    if cause is not None:
        parts.append(f"because of {_named(cause)}: {cause.reason}")
    if given is not None:
        parts.append(f"{given.name} holds {given.value} already")
    return "; ".join(parts) or "a constant that is returned is NaN"


def _named(origin: Origin) -> str:
    at = f" at {origin.line}" if origin.line else ""
    return f"{origin.primitive} in {origin.layer}{at}"


def _given(given: Given, inputs: Sequence[tuple[str, Any]]) -> NonfiniteInput:
    name, value = inputs[given.index]
    array = np.asarray(value)
    return NonfiniteInput(
        name,
        tuple(array.shape),
        str(array.dtype),
        int(np.isnan(array).sum()),
        int(np.isinf(array).sum()),
        given.element,
        value_of(array[given.element]),
    )


def _cost(started: float) -> dict[str, float]:
    return {"seconds": time.perf_counter() - started}
