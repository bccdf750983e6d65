"""What small changes of a batch do to what a transformation makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.data.fields import unfit
from jaxdebug.checks.data.row_hashes import values_of
from jaxdebug.checks.data.splits import is_set, read_batches
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import Finding, Severity, found

ROWS = 8
TINY = 1e-6
"""Relative change of every number of the batch."""

JUMP = 0.01
"""Of the spread of a result: a larger change is none that a tiny one should make."""

JUMPING = 0.1
"""A share of the rows: thresholds make a few jump, whatever they are."""

SAME = 1e-4
"""Of the spread of a result: batches of other sizes may be added in another order."""

RANDOM = "random-transform"

Transform = Callable[[Any], Any]


def first_rows(split: Any) -> tuple[Any, Any]:
    """A copy of the first rows of a split, and the split, none of it used up."""
    if not is_set(split):
        batches = read_batches("train", split)
        batch = next(batches, None)
        split = chain([] if batch is None else [batch], batches)
    else:
        batch = split
    return jax.tree.map(lambda leaf: _rows(leaf, slice(ROWS)), batch), split


def _rows(leaf: Any, chosen: Any) -> Any:
    return leaf if unfit(leaf) else np.array(np.asarray(leaf)[chosen])


def check_transform(
    transform: Transform | None, batch: Any, declare: Sequence[str]
) -> Outcome:
    """Say whether a transformation of batches treats every row alone, and steadily.

    Args:
        transform: of a batch, as the training uses it.
        batch: rows to transform.
        declare: `"random-transform"` says that it draws random numbers: then two calls
            must differ, and nothing else is compared.
    """
    if transform is None:
        return not_run("transform", "give `transform`")
    given = _copy(batch)
    once = _numbers(transform(given))
    findings = [*_in_place(batch, given), *_nonfinite(batch, once)]
    again = _numbers(transform(_copy(batch)))
    differs = _far(once, again, 0.0)
    random = RANDOM in declare
    if random and not differs:
        findings.append(
            found(
                "repeated-transform",
                "transform",
                "declared random, it makes the same of one batch twice",
                evidence={"rows": ROWS},
            )
        )
    elif differs and not random:
        findings.append(
            found(
                "unsteady-transform",
                "transform",
                "it makes something else of the same batch when it is called again",
                evidence={"rows": ROWS},
            )
        )
    if not differs and not random:
        findings += _mixing(transform, batch, once)
        findings += _jumping(transform, batch, once)
    said = f"{len(once)} results of {ROWS} rows, {'differs' if differs else 'the same'}"
    return judged("transform", f"{said} when called again", findings)


def _copy(batch: Any) -> Any:
    return jax.tree.map(lambda leaf: _rows(leaf, slice(None)), batch)


def _numbers(result: Any) -> list[np.ndarray]:
    """The arrays of a result, as float64[rows, width]."""
    leaves = [leaf for leaf in jax.tree.leaves(result) if not unfit(leaf)]
    return [values_of(np.asarray(leaf)) for leaf in leaves]


def _far(one: list[np.ndarray], other: list[np.ndarray], limit: float) -> bool:
    """Whether any number differs by more than a share of its array's spread."""
    if [each.shape for each in one] != [each.shape for each in other]:
        return True
    return any((_gaps(a, b) > limit).any() for a, b in zip(one, other, strict=True))


def _gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row the largest difference, in spreads of the array."""
    if not one.size:
        return np.zeros(len(one))
    with np.errstate(invalid="ignore"):
        clean = one[np.isfinite(one)]
        scale = float(np.ptp(clean)) if clean.size else 0.0
        scale = scale or float(np.abs(clean).max(initial=0.0)) or 1.0
        gaps = np.where(
            (one == other) | (np.isnan(one) & np.isnan(other)), 0, one - other
        )
        return np.nan_to_num(np.abs(gaps) / scale, nan=np.inf).max(1)


def _in_place(batch: Any, given: Any) -> Iterator[Finding]:
    if _far(_numbers(batch), _numbers(given), 0.0):
        yield found(
            "transform-in-place",
            "transform",
            "it changes the batch that it is given",
            evidence={"rows": ROWS},
        )


def _nonfinite(batch: Any, once: list[np.ndarray]) -> Iterator[Finding]:
    finite = all(np.isfinite(each).all() for each in _numbers(batch))
    count = sum(int((~np.isfinite(each)).sum()) for each in once)
    if finite and count:
        rows = np.flatnonzero(np.any([~np.isfinite(each).all(1) for each in once], 0))
        yield found(
            "nonfinite-data",
            "transform",
            f"it makes {count} values of finite ones that are not finite, in row "
            f"{', '.join(map(str, rows[:5]))}",
            severity=Severity.ERROR,
            evidence={"count": count},
        )


def _mixing(
    transform: Transform, batch: Any, once: list[np.ndarray]
) -> Iterator[Finding]:
    """Whether a row comes out otherwise in other company."""
    numbers = _numbers(batch)
    rows = len(numbers[0]) if numbers else 0
    if rows < 2 or any(len(each) != rows for each in once):
        return
    ways = {"in another order": np.arange(rows)[::-1], "alone": np.arange(1)}
    for way, chosen in ways.items():
        part = jax.tree.map(lambda leaf, at=chosen: _rows(leaf, at), batch)
        expected = [each[chosen] for each in once]
        if _far(expected, _numbers(transform(part)), SAME):
            yield found(
                "transform-mixes-rows",
                "transform",
                f"a row comes out otherwise when the batch is given {way}",
                evidence={"way": way},
            )
            return


def _jumping(
    transform: Transform, batch: Any, once: list[np.ndarray]
) -> Iterator[Finding]:
    """Whether a tiny change of the numbers makes a large one."""

    def nudged(leaf: Any) -> Any:
        if unfit(leaf) or np.asarray(leaf).dtype.kind != "f":
            return leaf
        array = np.asarray(leaf)
        return array * array.dtype.type(1 + max(TINY, 4 * np.finfo(array.dtype).eps))

    other = _numbers(transform(jax.tree.map(nudged, batch)))
    if [each.shape for each in once] != [each.shape for each in other]:
        return
    for one, moved in zip(once, other, strict=True):
        share = float((_gaps(one, moved) > JUMP).mean()) if len(one) else 0.0
        if share > JUMPING:
            yield found(
                "transform-jumps",
                "transform",
                f"{share:.0%} of the rows change by more than {JUMP:.0%} when every "
                f"number of the batch changes by a millionth",
                evidence={"share": share},
            )
            return
