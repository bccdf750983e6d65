"""Whether the functions of a workload can be called on its batches at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax

from jaxdebug.checks.arguments import AuditInputError
from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.user_traceback import user_line
from jaxdebug.checks.workload import WorkloadError, batches_of
from jaxdebug.findings import Finding, found
from jaxdebug.reports.error_text import in_one_line

NAME = "calls"


def calls(subject: Subject) -> Outcome:
    """Read the splits, and trace each function on the first batch.

    Args:
        subject: any.
    """
    findings: list[Finding] = []
    made: list[str] = []
    for parts in (_read(subject), _called(subject)):
        for field, call in parts:
            finding = _tried(field, call)
            findings += [] if finding is None else [finding]
            made.append(field)
        if findings:  # without batches and parameters nothing can be called
            break
    good = [field for field in made if field not in {one.where for one in findings}]
    said = f"{', '.join(good) or 'nothing'} can be called or read"
    if findings:
        said = f"{', '.join(one.where for one in findings)} cannot be called or read"
    return judged(NAME, said, findings)


_Parts = Iterator[tuple[str, Callable[[], object]]]


def _read(subject: Subject) -> _Parts:
    """What all functions take."""
    workload = subject.workload
    yield "params", lambda: subject.pure
    yield "train", lambda: _train(subject)
    if workload.eval is not None:
        yield "eval", lambda: subject.held_out
    if workload.test is not None:
        yield "test", lambda: next(batches_of(workload, "test"))


def _called(subject: Subject) -> _Parts:
    workload, batch = subject.workload, subject.batch
    for field in ("inputs", "targets", "mask"):
        if getattr(workload, field) is not None:
            yield field, partial(subject.pick, batch, field)
    yield "loss_fn", lambda: subject.program
    for field, traced in (
        ("predict_fn", subject.pure.predict),
        ("eval_loss_fn", partial(_evaluation, subject)),
    ):
        if getattr(workload, field) is not None:
            yield (
                field,
                partial(jax.eval_shape, traced, list(subject.pure.start), batch),
            )


def _evaluation(subject: Subject, arrays: Any, batch: Any) -> Any:
    return subject.pure.loss(arrays, batch, subject.workload.eval_loss_fn).value


def _train(subject: Subject) -> None:
    name = subject.workload.name
    try:
        rows = count_rows(subject.batch)
    except CannotRun:  # a batch without examples, as of an experiment in physics
        rows = None
    if rows == 0:
        raise WorkloadError(
            f"workload {name!r}: expected batches of one example or more; found a "
            "first training batch without any. Check what cuts the data into batches."
        )
    # Several checks read it: what is empty the second time would be empty for them.
    next(batches_of(subject.workload, "train"))


def _tried(field: str, call: Callable[[], object]) -> Finding | None:
    try:
        call()
    except (WorkloadError, AuditInputError, CannotRun) as error:
        # The message is complete: it says what to do as well.
        return found("cannot-be-called", field, str(error).rstrip("."), remedies=())
    except Exception as error:  # whatever the user's function raises
        said, line = in_one_line(error).rstrip("."), user_line(error)
        return found("cannot-be-called", field, said, line=line)
    return None
