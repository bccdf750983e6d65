"""The laws that a statistic of one's own must keep, checked one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.statistics.moments import moments
from jaxdebug.statistics.statistic import Statistic
from jaxdebug.statistics.summary import summarize

TOLERANCE = 1e-5
"""Relative; float32 sums of these arrays in another order differ by 1e-6 at most."""

Law = Callable[[Statistic, Sequence[Any]], Iterator[str]]


def assert_statistic(statistic: Statistic, arrays: Sequence[Any] | None = None) -> None:
    """Check that `probe` may add a statistic up over loops, branches and shards.

    Args:
        statistic: the record of functions.
        arrays: arrays to measure, of inexact dtypes. By default of several shapes
            (one empty), float32, bfloat16 and float16, some with NaN and infinities.

    Raises:
        AssertionError: lists every law that does not hold, with the array it was
            seen on, what was expected and what was found.
        TypeError: if `statistic` is no `Statistic`.

    Cost:
        A few hundred small operations, run eagerly and under jit; seconds.

    Limits:
        Laws are seen to hold on these arrays only. Whether the numbers are those
        that were meant is not checked.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxdebug.statistics.statistic import Statistic
        >>> assert_statistic(
        ...     Statistic(
        ...         "negative",
        ...         measure=lambda x: jnp.sum(x < 0, dtype=jnp.int32),
        ...         finalize=lambda count: {"negative": count},
        ...     )
        ... )
    """
    if not isinstance(statistic, Statistic):
        raise TypeError(
            f"expected a jaxdebug.Statistic; found {type(statistic).__name__}"
        )
    # One compilation for each shape instead of one for each operation.
    given, statistic = statistic, replace(statistic, measure=jax.jit(statistic.measure))
    arrays = _default_arrays() if arrays is None else list(arrays)
    # Records of several forms cannot be combined: no other law says anything then.
    broken = list(_fixed_form(statistic, arrays)) or [
        *(text for law in _LAWS for text in law(statistic, arrays)),
        *_traced(given, arrays[:1]),
    ]
    if broken:
        lines = "\n".join(f"- {text}" for text in broken)
        raise AssertionError(f"the statistic {statistic.name!r} breaks:\n{lines}")


def _default_arrays() -> list[Any]:
    draw = np.random.default_rng(0)
    forms = [((6,), "float32"), ((4, 6), "bfloat16"), ((2, 3, 4), "float16")]
    arrays = [jnp.asarray(draw.normal(size=shape), dtype) for shape, dtype in forms]
    broken = draw.normal(size=(8, 3)).astype(np.float32)
    broken[0, 0], broken[5, 1], broken[7, 2] = np.nan, np.inf, -np.inf
    return [*arrays, jnp.asarray(broken), jnp.zeros((0, 3)), jnp.zeros((2, 5))]


def _fixed_form(statistic: Statistic, arrays: Sequence[Any]) -> Iterator[str]:
    """A record has the same shapes and dtypes whatever array it is of."""
    forms: dict[Any, str] = {}
    for array in arrays:
        struct = jax.eval_shape(statistic.measure, array)
        leaves, tree = jax.tree.flatten(struct)
        forms[tree, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)] = _name(
            array
        )
    if len(forms) > 1:
        seen = "; ".join(f"{form[1]} for {name}" for form, name in forms.items())
        yield f"measure must return records of one form; found {seen}"


def _neutral(statistic: Statistic, arrays: Sequence[Any]) -> Iterator[str]:
    """Combining with the empty record changes nothing."""
    for array in arrays:
        record = statistic.measure(array)
        empty = statistic.empty(jax.eval_shape(statistic.measure, array))
        for order in ((empty, record), (record, empty)):
            combined = statistic.combine(*order)
            if not _equal(combined, record):
                yield _difference(
                    "combine with empty must change nothing", array, record, combined
                )
                return


def _commutes(statistic: Statistic, arrays: Sequence[Any]) -> Iterator[str]:
    """Iterations and shards are combined in any order and grouping."""
    records = [statistic.measure(array) for array in arrays[:4]]
    for first, second, third in zip(records, records[1:], records[2:], strict=False):
        combine = statistic.combine
        if not _equal(combine(first, second), combine(second, first)):
            yield "combine must be commutative; combine(a, b) is not combine(b, a)"
            return
        left = combine(combine(first, second), third)
        if not _equal(left, combine(first, combine(second, third))):
            yield "combine must be associative; (a b) c is not a (b c)"
            return


def _splits(statistic: Statistic, arrays: Sequence[Any]) -> Iterator[str]:
    """The record of an array is that of its halves, combined."""
    for array in arrays:
        half = array.shape[0] // 2
        whole = statistic.measure(array)
        parts = statistic.combine(
            statistic.measure(array[:half]), statistic.measure(array[half:])
        )
        if not _equal(whole, parts):
            yield _difference(
                "the record of an array must be that of its halves, combined",
                array,
                whole,
                parts,
            )
            return


def _traced(statistic: Statistic, arrays: Sequence[Any]) -> Iterator[str]:
    """Under jit and vmap it measures what it measures eagerly."""
    for array in arrays:
        eager = statistic.measure(array)
        jitted = jax.jit(statistic.measure)(array)
        if not _equal(eager, jitted):
            name = "measure must be the same under jit"
            yield _difference(name, array, eager, jitted)
            return
        rows = jax.vmap(statistic.measure)(jnp.stack([array, array]))
        if not _equal(jax.tree.map(lambda leaf: leaf[1], rows), eager):
            yield f"measure must be the same under vmap; it differs for {_name(array)}"
            return


def _readable(statistic: Statistic, arrays: Sequence[Any]) -> Iterator[str]:
    """What people read: names of its own, numbers with the iterations' axes."""
    core = set(summarize(jax.device_get(moments(jnp.ones(2), spread=True))))
    records = [jax.device_get(statistic.measure(array)) for array in (arrays[0],) * 3]
    single = statistic.finalize(records[0])
    taken = sorted(core & set(single))
    if taken:
        yield f"finalize must use names of its own; {taken} are core statistics"
    rows = statistic.finalize(jax.tree.map(lambda *r: np.stack(r), *records))
    for name, number in single.items():
        expected = np.stack([np.asarray(number)] * 3)
        found = np.asarray(rows.get(name))
        if found.shape != expected.shape:
            yield (
                f"finalize must keep leading axes; {name!r} of three iterations "
                f"should have shape {expected.shape}, found {found.shape}"
            )


_LAWS: tuple[Law, ...] = (
    _neutral,
    _commutes,
    _splits,
    _readable,
)


def _equal(left: Any, right: Any) -> bool:
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return all(_close(np.asarray(a), np.asarray(b)) for a, b in pairs)


def _close(left: np.ndarray, right: np.ndarray) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if not jax.dtypes.issubdtype(left.dtype, np.inexact):
        return np.array_equal(left, right)
    wide = np.complex128 if np.iscomplexobj(left) else np.float64
    a, b = left.astype(wide), right.astype(wide)
    size = np.abs(a[np.isfinite(a)]).max(initial=0.0)
    return np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)


def _difference(law: str, array: Any, expected: Any, found: Any) -> str:
    return f"{law}; for {_name(array)} expected {expected}, found {found}"


def _name(array: Any) -> str:
    return f"{array.dtype}{list(array.shape)}"
