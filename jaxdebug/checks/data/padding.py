"""How much of the sequences is padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from jaxdebug.checks.data.fields import Field
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, found

SHORTEST = 4
"""Shorter rows are no sequences."""

INSIDE = 0.02
"""Padding stands only at the ends: of the other positions fewer hold its value."""


class Runs(NamedTuple):
    """Runs of one value at one end of every row.

    Attributes:
        value: that is repeated.
        rows: how many there are.
        length: positions of a row.
        total: positions in runs.
        inside: positions outside of runs that hold the value all the same.
        shortest: run.
        longest: run.
    """

    value: float
    rows: int
    length: int
    total: int
    inside: int
    shortest: int
    longest: int

    @property
    def share(self) -> float:
        """Of all positions, those in runs."""
        return self.total / (self.rows * self.length)

    @property
    def is_padding(self) -> bool:
        """Whether runs of several lengths hold most of the value, and little else does.

        One token of many is rare inside as well, and now and then begins a row twice.
        """
        rest = self.rows * self.length - self.total
        is_rare = self.inside <= min(INSIDE * rest, self.total)
        return self.shortest < self.longest > 1 and is_rare


Ends = Mapping[str, Runs]
"""Runs at the `"end"` and at the `"start"` of every row."""


def is_sequence(field: Field) -> bool:
    """Whether the rows of a field are sequences of tokens or of vectors.

    Example:
        >>> is_sequence(Field("tokens", "input", (16,), np.dtype(np.int32)))
        True
        >>> is_sequence(Field("x", "input", (16,), np.dtype(np.float32)))
        False
    """
    # Bytes are pixels, and so are squares of numbers.
    tokens = field.dtype.kind in "iu" and field.dtype.itemsize > 1
    if len(field.shape) == 1:
        return tokens and field.shape[0] >= SHORTEST
    return (
        len(field.shape) == 2
        and field.dtype.kind != "c"
        and field.shape[0] >= SHORTEST
        and field.shape[0] != field.shape[1]
    )


def runs_of(field: Field, block: np.ndarray, before: Ends | None = None) -> Ends:
    """Runs at both ends of some rows.

    Args:
        field: whose rows are sequences.
        block: float64[rows, width].
        before: of earlier rows, which say which value is looked for.
    """
    rows = block.reshape(len(block), *field.shape)
    found = {}
    for end, column in (("end", -1), ("start", 0)):
        if before is not None:
            value = before[end].value
        elif rows.ndim == 2:
            values, counts = np.unique(rows[:, column], return_counts=True)
            value = float(values[counts.argmax()])
        else:
            value = 0.0
        same = rows == value
        same = same if same.ndim == 2 else same.all(2)
        from_end = same[:, ::-1] if end == "end" else same
        lengths = np.where(from_end.all(1), same.shape[1], (~from_end).argmax(1))
        total = int(lengths.sum())
        found[end] = Runs(
            value,
            len(rows),
            same.shape[1],
            total,
            int(same.sum()) - total,
            int(lengths.min()),
            int(lengths.max()),
        )
    return found


def merged(one: Ends, other: Ends) -> Ends:
    """The runs of the rows of both."""
    return {
        end: Runs(
            runs.value,
            runs.rows + other[end].rows,
            runs.length,
            runs.total + other[end].total,
            runs.inside + other[end].inside,
            min(runs.shortest, other[end].shortest),
            max(runs.longest, other[end].longest),
        )
        for end, runs in one.items()
    }


def check_padding(padding: Iterable[tuple[str, Field, Ends]]) -> Outcome:
    """Say how much of the sequences of each field is padding.

    Args:
        padding: split, field and runs, for each field whose rows are sequences.
    """
    listed = list(padding)
    if not listed:
        return not_run("padding", "no field has rows that are sequences")
    findings = [each for one in listed for each in _findings(*one)]
    share = max((one.evidence["share"] for one in findings), default=0.0)
    said = f"{len(listed)} fields of sequences, at most {share:.0%} of one padded"
    return judged("padding", said, findings, {"share": share})


def _findings(split: str, field: Field, ends: Ends) -> Iterator[Finding]:
    best = max(ends.items(), key=lambda item: item[1].is_padding * item[1].share)
    end, runs = best
    if runs.is_padding:
        yield found(
            "padded-sequences",
            field.of(split),
            f"{runs.share:.1%} of the positions hold {runs.value:g} at the {end} of "
            f"their row; rows have {runs.shortest} to {runs.longest} such positions "
            f"of {runs.length}",
            evidence={"share": runs.share, "value": runs.value, "end": end},
        )
