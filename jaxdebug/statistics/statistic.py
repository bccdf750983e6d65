"""A statistic: what is measured of an array, as a record of pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

KINDS = ("output", "cotangent", "parameter", "gradient", "update", "state", "input")
"""The kinds of sites that a statistic of arrays can be asked for."""


def zeros(struct: Any) -> Any:
    """A record of zeros, neutral for sums and counts."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), struct)


def add(left: Any, right: Any) -> Any:
    """The sum of two records, leaf by leaf."""
    return jax.tree.map(jnp.add, left, right)


@dataclass(frozen=True)
class Statistic:
    """What `probe` measures of an array beyond the core statistics.

    A *record* is a pytree of arrays of fixed shapes, small beside the array. All
    functions are pure; the first three are traced.

    Attributes:
        name: stands for the statistic in messages.
        measure: the record of one array, of any shape and inexact dtype, which may
            hold NaN and infinities.
        finalize: what people read, from a record of NumPy arrays: a mapping of
            names to numbers. Leaves may have leading axes, one for each scan whose
            iterations are kept apart; the numbers have the same ones.
        combine: the record of the elements of two arrays, from theirs; associative
            and commutative. Sums by default.
        empty: the record of no elements, from a record of avals, so that
            `combine(empty, r) == r`. Zeros by default.
        kinds: which sites are measured.
        measure_each: the records of several arrays, if that is compiled faster at once;
            those of `measure`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> negative = Statistic(
        ...     "negative",
        ...     measure=lambda x: jnp.sum(x < 0, dtype=jnp.int32),
        ...     finalize=lambda count: {"negative": count},
        ...     kinds=("output",),
        ... )
        >>> def model(x):
        ...     with jax.named_scope("shift"):
        ...         h = x - 1.5
        ...     return h * h
        >>> from jaxdebug.statistics.probe import probe
        >>> _, stats = probe(model, statistics=[negative])(jnp.arange(4.0))
        >>> int(stats.summary("shift")["negative"])
        2
    """

    name: str
    measure: Callable[[Any], Any]
    finalize: Callable[[Any], Mapping[str, Any]]
    combine: Callable[[Any, Any], Any] = add
    empty: Callable[[Any], Any] = zeros
    kinds: tuple[str, ...] = KINDS
    measure_each: Callable[..., Sequence[Any]] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(
            set(self.kinds) - set(KINDS) - {"activation", "softmax", "lookup"}
        )
        if unknown:
            raise ValueError(
                f"the statistic {self.name!r} asks for kinds={unknown}; expected "
                f"some of {', '.join(KINDS)}"
            )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Measured:
    """A record together with the statistic that knows how it adds up."""

    record: Any
    statistic: Statistic = field(metadata={"static": True})
