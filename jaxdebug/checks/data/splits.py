"""A data set read once, in chunks of whole rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.checks.batch_fields import Place
from jaxdebug.checks.data.fields import INPUT, OTHER, Batch, Field, fields_of, unfit
from jaxdebug.checks.workload_fields import required_arguments

VALUES = 1 << 18
"""About as many numbers are looked at at once: what fits a processor's cache."""

LEAST_ROWS, MOST_ROWS = 32, 1 << 16

RAGGED = "its rows have several shapes"
UNEVEN = "its first axis is not that of the inputs"


class Chunk(NamedTuple):
    """Some rows of a split that follow each other."""

    fields: tuple[Field, ...]
    start: int
    """Number of the first row."""
    arrays: tuple[np.ndarray, ...]
    ends: tuple[int, ...]
    """Where batches end, counted from `start`; none if the split is one set."""
    left_out: Mapping[str, str]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.arrays[0])


def is_set(split: Any) -> bool:
    """Whether a split is one set of rows; otherwise it gives batches.

    Example:
        >>> x, y = np.ones((4, 2)), np.ones(4)
        >>> is_set((x, y)), is_set({"x": x}), is_set([(x, y)]), is_set(iter([x]))
        (True, True, False, False)
    """
    if hasattr(split, "dtype") or hasattr(split, "__array__"):
        return True
    if isinstance(split, list):
        return False
    return not jax.tree_util.all_leaves([split])


def chunks(
    name: str, split: Any, inputs: Place, targets: Place, most: int | None = None
) -> Iterator[Chunk]:
    """Read a split once.

    Args:
        name: of the split, for messages.
        split: an array or a pytree of arrays with a common first axis, or batches of
            such, or a function that returns an iterator of batches.
        inputs: where the inputs stand in a batch.
        targets: where the targets stand in a batch.
        most: after so many rows no further batch is asked for.

    Raises:
        TypeError: if it is none of these.
        ValueError: if it has no rows, if the first axes of a batch differ, or if a
            batch has other fields than the first.

    Cost:
        Memory of one chunk and one batch. Batches are copied, so that one that is
        overwritten with the next is read right.
    """
    given = is_set(split)
    parts = _slices(name, split) if given else read_batches(name, split)
    first: tuple[Field, ...] | None = None
    held: list[tuple[np.ndarray, ...]] = []
    ends: list[int] = []
    start = count = 0
    left_out: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for part in parts:
        batch = fields_of(part, inputs, targets, name)
        new = dict.fromkeys(_uneven(batch), UNEVEN)
        fields, arrays = _without({*dropped, *new}, batch.fields, batch.arrays)
        rows = _rows(name, fields, arrays)
        first = fields if first is None else first
        # After the first chunk rows were looked at, and it is too late.
        if not start:
            new |= dict.fromkeys(_changed(first, fields), RAGGED)
            held = [_without(new, first, one)[1] for one in held]
            first = _without(new, first, first)[0]
            fields, arrays = _without(new, fields, arrays)
        dropped |= new
        _require_same(name, first, fields)
        left_out.update(batch.left_out, **dropped)
        if rows and most is not None and start + count + rows > most:
            rows = most - start - count
        if rows:
            held.append(tuple(_copied(one[:rows], given) for one in arrays))
            count += rows
            ends += [] if given else [count]
        if held and count >= _chunk_rows(first):
            yield Chunk(first, start, _joined(held), tuple(ends), dict(left_out))
            start, count, held, ends = start + count, 0, [], []
        if most is not None and start + count >= most:
            break
    if held and first is not None:
        yield Chunk(first, start, _joined(held), tuple(ends), dict(left_out))
    elif not start:
        raise ValueError(
            f"check_data: expected {name} to have at least one row; found none. An "
            "iterator that was read before is empty: give a function that returns a "
            "fresh one."
        )


def _slices(name: str, split: Any) -> Iterator[Any]:
    """A set as batches of consecutive rows."""
    leaves, tree = jax.tree.flatten(split)
    ready = [one if unfit(one) or _is_jax(one) else np.asarray(one) for one in leaves]
    arrays = [one for one in ready if not unfit(one)]
    lengths = sorted({len(one) for one in arrays})
    if len(lengths) > 1:
        raise ValueError(
            f"check_data: expected the arrays of {name} to have one number of rows; "
            f"found {', '.join(map(str, lengths))}. Batches stand in a list or come "
            "from an iterator, not in a tuple."
        )
    width = sum(max(1, int(np.prod(one.shape[1:]))) for one in arrays)
    rows = _fitting(width)
    for start in range(0, lengths[0] if lengths else 1, rows):
        yield jax.tree.unflatten(tree, [_slice(one, start, rows) for one in ready])


def _slice(leaf: Any, start: int, rows: int) -> Any:
    if unfit(leaf):
        return leaf
    if isinstance(leaf, np.ndarray):
        return leaf[start : start + rows]
    # Explicit, so that it is allowed under any transfer guard.
    size = min(rows, len(leaf) - start)
    return jax.device_get(jax.lax.dynamic_slice_in_dim(leaf, start, size))


def _is_jax(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array)


def read_batches(name: str, split: Any) -> Iterator[Any]:
    """The batches of an iterable, or of a function that returns an iterator."""
    source = name
    if callable(split) and (not _is_iterable(split) or isinstance(split, type)):
        needed = required_arguments(split)
        if needed:
            raise TypeError(
                f"check_data: expected {name} to be a function without arguments; "
                f"found one that needs {', '.join(needed)}. Bind them: "
                f"{name}=lambda: batches(...)."
            )
        split, source = split(), f"what the function {name} returned"
    if isinstance(split, str | bytes | type) or not _is_iterable(split):
        raise TypeError(
            f"check_data: expected {source} to be an array, a pytree of arrays with "
            "one number of rows, an iterable of batches, or a function that returns "
            f"an iterator of batches; found {type(split).__name__}."
        )
    batches: Any = split
    yield from batches


def _is_iterable(value: Any) -> bool:
    return isinstance(value, Iterable) or hasattr(value, "__getitem__")


def _uneven(batch: Batch) -> set[str]:
    """Names of fields, no inputs or targets, with other first axes than the inputs."""
    pairs = [*zip(batch.fields, batch.arrays, strict=True)]
    rows = {len(array) for field, array in pairs if field.role == INPUT}
    return {
        field.name
        for field, array in pairs
        if field.role == OTHER and rows and len(array) not in rows
    }


def _rows(name: str, fields: Sequence[Field], arrays: Sequence[Any]) -> int:
    pairs = zip(fields, arrays, strict=True)
    lengths = {field.of(name): len(array) for field, array in pairs}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{key} has {rows}" for key, rows in lengths.items())
        raise ValueError(
            f"check_data: expected the arrays of a batch to have one number of rows; "
            f"found: {listed}. A field whose first axis is not that of examples can "
            "be left out by inputs= and targets=, as functions of a batch."
        )
    return next(iter(lengths.values()))


def _changed(first: tuple[Field, ...], fields: tuple[Field, ...]) -> set[str]:
    """Names of fields whose rows have another shape than in the first batch."""
    if len(first) != len(fields):
        return set()
    return {
        one.name
        for one, other in zip(first, fields, strict=True)
        if one.shape != other.shape and one._replace(shape=other.shape) == other
    }


def _without(
    dropped: Collection[str], fields: Sequence[Field], arrays: Sequence[Any]
) -> tuple[tuple[Field, ...], tuple[Any, ...]]:
    """The fields that fit, and what belongs to them."""
    pairs = zip(fields, arrays, strict=True)
    kept = [pair for pair in pairs if pair[0].name not in dropped]
    return tuple(pair[0] for pair in kept), tuple(pair[1] for pair in kept)


def _require_same(
    name: str, first: tuple[Field, ...], fields: tuple[Field, ...]
) -> None:
    if first != fields or not fields:
        raise ValueError(
            f"check_data: expected every batch of {name} to have the fields of the "
            f"first, {described(first)}; found {described(fields) or 'none'}. Pad the "
            "rows of a field to one shape, or leave it out by inputs= and targets=, as "
            "functions of a batch."
        )


def described(fields: Iterable[Field]) -> str:
    """Fields in one line: `x: float32[64], y: int32[]`."""
    return ", ".join(
        f"{field.name or 'one array'}: {field.dtype}{list(field.shape)}"
        for field in fields
    )


def _copied(array: Any, given: bool) -> np.ndarray:
    host = jax.device_get(array)
    return np.asarray(host) if given else np.array(host)


def _joined(held: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    if len(held) == 1:
        return held[0]
    return tuple(np.concatenate(parts) for parts in zip(*held, strict=True))


def _chunk_rows(fields: tuple[Field, ...]) -> int:
    return _fitting(sum(max(1, field.width) for field in fields))


def _fitting(width: int) -> int:
    return min(MOST_ROWS, max(LEAST_ROWS, VALUES // max(1, width)))


Splits = Mapping[str, Any]
"""The data sets by name."""


def require_apart(splits: Splits) -> None:
    """Refuse one iterator that stands for two splits: it can be read only once."""
    seen: dict[int, str] = {}
    for name, split in splits.items():
        if not isinstance(split, Iterator):
            continue
        if id(split) in seen:
            raise ValueError(
                f"check_data: expected {name} to be a data set of its own; found the "
                f"iterator that is {seen[id(split)]} too, which can be read only "
                "once. Give two iterators, or functions that return them."
            )
        seen[id(split)] = name
