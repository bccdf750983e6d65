"""Whether batches of one and of an odd size give each example the same answer."""

from __future__ import annotations

from operator import itemgetter

import jax

from jaxdebug.checks.batch_fields import count_rows, map_rows
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.sanity.dependence import differing, row_leaves
from jaxdebug.checks.subject import Subject
from jaxdebug.checks.user_traceback import user_line
from jaxdebug.findings import found
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
            part = subject.predict(start, map_rows(batch, itemgetter(slice(size))))
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
        some = jax.tree.leaves(part)
        for number in numbers:
            old, new = whole[number], some[number]
            fits = new.shape == (size, *old.shape[1:])
            if not fits or differing(old[:size], new).any():
                what = "other numbers" if fits else f"shape {new.shape}"
                message = f"a batch of {size} gives {what} than the same of {rows}"
                findings.append(found("batch-size", "predict_fn", message))
                break
    said = f"batches of {' and '.join(map(str, sizes))}, beside {rows}"
    return judged("batch-sizes", said, findings)
