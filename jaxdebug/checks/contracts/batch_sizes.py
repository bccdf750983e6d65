"""Whether batches of one and of an odd size give each example the same answer."""

from __future__ import annotations

from typing import Any

import jax

from jaxdebug.checks.batch_fields import count_rows
from jaxdebug.checks.graph_batches import tied_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged, undecided
from jaxdebug.checks.sanity.dependence import differing, row_leaves
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.user_traceback import user_line
from jaxdebug.findings import found
from jaxdebug.programs.shadow import shadow
from jaxdebug.reports.error_text import in_one_line


def batch_sizes(subject: Subject) -> Outcome:
    """Predict the first example alone, and an odd number of them.

    Args:
        subject: with `predict_fn`.
    """
    batch, start = subject.batch, subject.pure.start
    rows = count_rows(batch)
    whole = jax.tree.leaves(subject.predict(start, batch))
    numbers = row_leaves(whole, 1, (rows,))
    if not numbers or rows < 2:
        raise CannotRun(
            f"expected {rows} rows, one an example, in batches and in the outputs of "
            "`predict_fn`"
        )
    sizes = sorted({1, rows - 1 - rows % 2} - {0, rows})
    findings = []
    for size in sizes:
        try:
            answer = subject.predict(start, subject.of_first(batch, size))
        except Exception as error:  # whatever the user's function raises
            findings.append(
                found(
                    "batch-size",
                    "predict_fn",
                    f"a batch of {size} raises {in_one_line(error)}",
                    line=user_line(error),
                )
            )
            continue
        some = jax.tree.leaves(answer)
        for number in numbers:
            old, new = whole[number], some[number]
            part = _of_first(old, new.shape, rows, size)
            fits = part is not None
            if fits and not differing(part, new).any():
                continue
            if not fits or _apart_in_float64(subject, size, number):
                message = (
                    f"a batch of {size} gives other numbers than the same of {rows}"
                    if fits
                    else f"a batch of {size} gives shape {new.shape}, one of {rows} "
                    f"shape {old.shape}"
                )
                findings.append(found("batch-size", "predict_fn", message))
                break
    said = f"batches of {' and '.join(map(str, sizes))}, beside {rows}"
    if findings and (why := tied_rows(batch)):
        return undecided("batch-sizes", why)
    return judged("batch-sizes", said, findings)


def _apart_in_float64(subject: Subject, size: int, number: int) -> bool:
    """Whether an output differs by more than rounding, which in bfloat16 is much."""
    batch, start = subject.batch, list(subject.pure.start)
    part = subject.of_first(batch, size)
    predict = shadow(subject.pure.predict)
    old, new = [jax.tree.leaves(predict(start, one))[number] for one in (batch, part)]
    first = _of_first(old, new.shape, count_rows(batch), size)
    return first is None or bool(differing(first, new).any())


def _of_first(whole: Any, shape: tuple[int, ...], rows: int, size: int) -> Any | None:
    """What the first examples' outputs should be; None if they cannot have that shape.

    Further axes may be of the examples too, as where each is compared with each.
    """
    if len(shape) != whole.ndim or shape[0] != size:
        return None
    cut = []
    for old, new in zip(whole.shape, shape, strict=True):
        if new != old and (old, new) != (rows, size):
            return None
        cut.append(slice(new))
    return whole[tuple(cut)]
