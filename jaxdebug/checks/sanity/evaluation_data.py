"""Whether the evaluation split holds the same inputs each time it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.batch_fields import count_rows, pick
from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.subject import BATCHES, Subject
from jaxdebug.checks.workload import batches_of
from jaxdebug.findings import found

NAME = "evaluation-data"


def evaluation_data(subject: Subject) -> Outcome:
    """Read the evaluation batches twice, and count rows that come both times.

    Their order does not matter. Where the targets are others too, other examples were
    drawn.

    Args:
        subject: with `eval`, `inputs` and `targets`.
    """
    if subject.workload.eval is None:
        raise CannotRun("give `eval`")
    first, second = _rows(subject), _rows(subject)
    shares = {
        field: (first[field] & second[field]).total() / max(first[field].total(), 1)
        for field in first
    }
    said = (
        f"{100 * shares['inputs']:.0f} % of the inputs and "
        f"{100 * shares['targets']:.0f} % of the targets are the same when they are "
        "read again"
    )
    findings = []
    if shares["inputs"] < 1 and shares["targets"] == 1:
        findings.append(found("unsteady-evaluation", "eval", said, evidence=shares))
    return judged(NAME, said, findings, shares)


def _rows(subject: Subject) -> dict[str, Counter[bytes]]:
    """How often each row occurs in some batches."""
    counts: dict[str, Counter[bytes]] = {"inputs": Counter(), "targets": Counter()}
    for batch in islice(batches_of(subject.workload, "eval"), BATCHES):
        for field, count in counts.items():
            count.update(
                _hashable(pick(batch, field, getattr(subject.workload, field)))
            )
    return counts


def _hashable(tree: Any) -> Iterator[bytes]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    rows = count_rows(leaves)
    whole = [leaf for leaf in leaves if leaf.ndim and leaf.shape[0] == rows]
    for row in range(rows):
        yield b"".join(leaf[row].tobytes() for leaf in whole)
