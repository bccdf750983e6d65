"""`assert_batch_independent`: each example's output depends on that example alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.settings import undisturbed
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.random_keys import is_key
from jaxdebug.testing.assertions.report import AssertionReport, asserted, name_of
from jaxdebug.testing.layers.draw import scattered
from jaxdebug.testing.layers.gap import apart, gaps, names_of

REMEDIES = (
    "Look for a mean, sum, maximum, sort, reshape or transpose over the batch axis, "
    "and for a statistic of the batch.",
    "If examples are meant to share something, such as an array of parameters, close "
    "over it: every array argument is taken for a batch.",
)


def assert_batch_independent(
    fn: Callable[..., Any], *args: Any, axis: int = 0
) -> AssertionReport:
    """Raise if the output of an example depends on another example of the batch.

    Some examples are replaced by their neighbours, and what the function returns for
    the others is compared. The examples are chosen by each binary digit of their
    number, both ways, so that of every two examples one is once replaced while the
    other stays.

    Args:
        fn: a function of pytrees of arrays.
        *args: of the function; every array has the batch on `axis`, and so have the
            outputs. Scalars and keys are the same for all.
        axis: of the batch.

    Returns:
        The report, which passed.

    Raises:
        ReportFailed: an AssertionError that names for each output the example that
            changes and one that it depends on.
        ValueError: if the arrays have no batch of two or more examples on the axis,
            or all examples are the same.

    Cost:
        One program, called 2·log₂(examples) times, and as often again for each output
        that is mixed.

    Limits:
        Dependence is seen at these values: a maximum over the batch that another
        example holds in all cases is not.

    Example:
        >>> import jax.numpy as jnp
        >>> assert_batch_independent(jnp.sin, jnp.arange(6.0).reshape(3, 2)).ok
        True
    """
    __tracebackhide__ = True
    rows = _count(args, axis)
    fn_name = name_of(fn)
    with undisturbed(args):
        compiled = jax.jit(lambda mask: fn(*_replaced(args, mask, axis)))
        expected = jax.device_get(compiled(np.zeros(rows, bool)))
        _require_batch(expected, rows, axis)
        wrong: dict[str, str] = {}
        for mask in _masks(rows):
            found = jax.device_get(compiled(mask))
            for name, row in _changed(expected, found, ~mask, axis):
                if name not in wrong:
                    other = _one_of(compiled, expected, mask, name, row, axis)
                    wrong[name] = f"{name}: example {row} depends on example {other}"
    return asserted(
        "assert_batch_independent",
        fn_name,
        "an example's output does not depend on the other examples of the batch",
        list(wrong.values()),
        notes=[f"{rows} examples on axis {axis}."],
        remedies=REMEDIES,
    )


def _is_batch(leaf: Any) -> bool:
    return np.ndim(leaf) > 0 and not is_key(leaf)


def _count(args: tuple[Any, ...], axis: int) -> int:
    leaves = [leaf for leaf in jax.tree.leaves(args) if _is_batch(leaf)]
    inside = [leaf for leaf in leaves if -np.ndim(leaf) <= axis < np.ndim(leaf)]
    sizes = {np.shape(leaf)[axis] for leaf in inside}
    if len(inside) < len(leaves) or len(sizes) != 1 or min(sizes) < 2:
        shapes = ", ".join(jax.typeof(leaf).str_short() for leaf in leaves)
        raise ValueError(
            f"assert_batch_independent expects arrays with the same number of examples "
            f"on axis {axis}, two or more; found {shapes or 'no array'}. Close over "
            "what is no batch."
        )
    if all(
        np.array_equal(leaf, np.roll(leaf, 1, axis))
        for leaf in map(np.asarray, jax.device_get(leaves))
    ):
        raise ValueError(
            "assert_batch_independent expects examples that differ; found that all "
            "are the same."
        )
    return sizes.pop()


def _require_batch(out: Any, rows: int, axis: int) -> None:
    for name, leaf in zip(names_of(out), jax.tree.leaves(out), strict=True):
        shape = np.shape(leaf)
        if not (-len(shape) <= axis < len(shape) and shape[axis] == rows):
            raise ValueError(
                f"assert_batch_independent expects outputs with {rows} examples on "
                f"axis {axis}; found {name} of shape {shape}."
            )


def _masks(rows: int) -> list[np.ndarray]:
    """Of every two examples, one is chosen in some mask in which the other is not."""
    bits = [(np.arange(rows) >> bit) & 1 == 1 for bit in range((rows - 1).bit_length())]
    return [mask for bit in bits for mask in (bit, ~bit)]


def _replaced(args: tuple[Any, ...], mask: Any, axis: int) -> tuple[Any, ...]:
    """The arguments with the chosen examples like their neighbours, not quite."""

    def of(leaf: Any) -> Any:
        if not _is_batch(leaf):
            return leaf
        leaf = jnp.asarray(leaf)
        other = jnp.roll(leaf, 1, axis)
        if is_inexact(jax.typeof(leaf)):
            # Nearer to zero, so that they stay in a range such as that of a
            # probability; and never a mere exchange, which a sum does not notice.
            other = (other * (0.75 + 0.25 * scattered(leaf.shape, 1))).astype(
                leaf.dtype
            )
        shape = [1] * leaf.ndim
        shape[axis] = -1
        return jnp.where(mask.reshape(shape), other, leaf)

    return jax.tree.map(of, args)


def _changed(
    expected: Any, found: Any, kept: np.ndarray, axis: int
) -> list[tuple[str, int]]:
    """Each output of which an example changed that was kept, and that example."""
    said = []
    leaves = [jax.tree.leaves(one) for one in (expected, found)]
    for name, left, right in zip(names_of(expected), *leaves, strict=True):
        own, other = (np.compress(kept, np.asarray(a), axis) for a in (left, right))
        (gap,) = gaps(own, other, np)
        if apart(gap, own.dtype, 0.0):
            place = np.unravel_index(int(gap.place), own.shape)[axis]
            said.append((name, int(np.flatnonzero(kept)[place])))
    return said


def _one_of(
    compiled: Callable[..., Any],
    expected: Any,
    mask: np.ndarray,
    name: str,
    row: int,
    axis: int,
) -> int:
    """An example that the row depends on, out of those chosen by a mask."""
    chosen = np.flatnonzero(mask)
    kept = np.arange(len(mask)) == row
    while len(chosen) > 1:
        half = chosen[: len(chosen) // 2]
        only = np.isin(np.arange(len(mask)), half)
        found = jax.device_get(compiled(only))
        seen = any(name == own for own, _ in _changed(expected, found, kept, axis))
        chosen = half if seen else chosen[len(chosen) // 2 :]
    return int(chosen[0])
