"""All that is kept of a split after it was read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxdebug.checks.batch_fields import Place
from jaxdebug.checks.data import classes, columns, padding, series
from jaxdebug.checks.data.fields import INPUT, TARGET, Field
from jaxdebug.checks.data.row_hashes import (
    column_sums,
    row_sums,
    spread,
    values_of,
    words_of,
)
from jaxdebug.checks.data.row_store import RowStore
from jaxdebug.checks.data.sample import Sample
from jaxdebug.checks.data.sketch import Planes
from jaxdebug.checks.data.splits import Chunk, chunks, is_set

LEVELS = 1000
"""So many of the first targets are kept to count the ranks by."""


@dataclass(eq=False)
class Scan:
    """What one pass over a split leaves.

    Attributes:
        name: of the split.
        batched: whether it gave batches; otherwise it is one set of rows.
        fields: of every batch.
        left_out: path of what was not looked at, and why.
        columns: of each field.
        sample: rows of each field.
        store: a hash and a sketch of every row.
        classes: of the targets; None if they are no class labels.
        series: of the ranks of a single number that is the target; None otherwise.
        levels: some of the first targets, sorted: what the ranks are counted by.
        padding: runs at the ends of the rows, by index of field.
        batches: a hash of each batch, whatever the order of its rows.
        batch_rows: rows of the largest batch.
        doubled: batches of which every row is in them twice or more.
        rows: how many were read.
        cut: whether there are more.
    """

    name: str
    batched: bool
    fields: tuple[Field, ...]
    sample: Sample
    left_out: Mapping[str, str] = field(default_factory=dict)
    columns: list[columns.Columns] = field(default_factory=list)
    store: RowStore = field(default_factory=RowStore)
    classes: classes.Classes | None = None
    series: series.Series | None = None
    levels: np.ndarray = field(default_factory=lambda: np.empty(0))
    padding: dict[int, padding.Ends] = field(default_factory=dict)
    batches: list[np.ndarray] = field(default_factory=list)
    batch_rows: int = 0
    doubled: int = 0
    rows: int = 0
    cut: bool = False

    def of_role(self, role: str) -> list[int]:
        """Indices of the fields of a role."""
        return [at for at, one in enumerate(self.fields) if one.role == role]

    @property
    def target(self) -> int | None:
        """Index of the field that is the only target."""
        targets = self.of_role(TARGET)
        return targets[0] if len(targets) == 1 else None


def scan(
    name: str,
    split: Any,
    *,
    inputs: Place,
    targets: Place,
    most: int | None,
    planes: Planes | None,
    seed: int,
) -> tuple[Scan, Planes | None]:
    """Read a split once.

    Args:
        name: of the split.
        split: a set of rows, or batches.
        inputs: where the inputs stand in a batch.
        targets: where the targets stand in a batch.
        most: after so many rows no further batch is asked for.
        planes: of the sketches; None takes them from the first rows, if there are
            inputs of numbers.
        seed: of the sample and the planes.

    Cost:
        One pass; a chunk, a sample of bounded size, some numbers a column and sixteen
        bytes a row.
    """
    result: Scan | None = None
    for chunk in chunks(name, split, inputs, targets, most):
        if result is None:
            fresh = Sample(chunk.fields, seed)
            result = Scan(name, not is_set(split), chunk.fields, fresh)
        blocks = [values_of(array) for array in chunk.arrays]
        first = [blocks[at] for at in result.of_role(INPUT)]
        if first and (planes is None or not planes.fit(first)):
            planes = Planes(first, seed)
        _add(result, chunk, blocks, planes.codes(first) if first and planes else None)
    if result is None:
        raise AssertionError("a split without rows was refused")
    result.cut = most is not None and result.rows >= most
    return result, planes


def _add(
    result: Scan, chunk: Chunk, blocks: list[np.ndarray], codes: np.ndarray | None
) -> None:
    """Merge what a chunk shows into what is known."""
    result.left_out = {**result.left_out, **chunk.left_out}
    sums: dict[str, np.ndarray] = {}
    for at, (one, block) in enumerate(zip(result.fields, blocks, strict=True)):
        words = words_of(chunk.arrays[at], block)
        own = row_sums(words, at)
        sums[one.role] = sums[one.role] + own if one.role in sums else own
        known = columns.columns_of(block, column_sums(words, chunk.start), chunk.start)
        if chunk.start == 0:
            result.columns.append(known)
        else:
            result.columns[at] = columns.merged(result.columns[at], known)
        if padding.is_sequence(one):
            before = result.padding.get(at)
            runs = padding.runs_of(one, block, before)
            result.padding[at] = (
                runs if before is None else padding.merged(before, runs)
            )
    if codes is not None:
        hashes = spread(sums[INPUT])
        targets = spread(sums[TARGET]) if TARGET in sums else None
        result.store.add(hashes, codes, targets)
        _add_batches(result, chunk, hashes if targets is None else hashes + targets)
    result.sample.add(blocks)
    _add_targets(result, chunk, blocks)
    result.rows += chunk.rows


def _add_targets(result: Scan, chunk: Chunk, blocks: list[np.ndarray]) -> None:
    at = result.target
    if at is None:
        return
    known = classes.classes_of(result.fields[at], blocks[at])
    first = chunk.start == 0
    result.classes = known if first else classes.merged(result.classes, known)
    if result.fields[at].width == 1:
        numbers = blocks[at][:, 0]
        if first:
            result.levels = np.sort(numbers)[:: max(1, len(numbers) // LEVELS)]
        own = series.series_of(series.ranks(numbers, result.levels))
        before = result.series
        result.series = own if before is None else series.merged(before, own)


def _add_batches(result: Scan, chunk: Chunk, hashes: np.ndarray) -> None:
    if not chunk.ends:
        return
    starts = np.array([0, *chunk.ends[:-1]])
    result.batches.append(np.add.reduceat(spread(hashes), starts))
    sizes = np.diff([0, *chunk.ends])
    batch = np.repeat(starts, sizes)
    order = np.lexsort((hashes, batch))
    same = (np.diff(hashes[order]) == 0) & (np.diff(batch[order]) == 0)
    twice = np.r_[same, False] | np.r_[False, same]
    result.doubled += int(np.logical_and.reduceat(twice, starts).sum())
    result.batch_rows = max(result.batch_rows, int(sizes.max()))
