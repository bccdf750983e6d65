"""The programs of the identity grid: every higher-order primitive JAX offers.

Each takes one float32 vector of eight elements (`X`) unless its arguments say
otherwise. `refuses` names the transformations that JAX itself does not offer
for the program; a test checks that it does refuse them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from tests.programs.array_programs import (
    conjugate_gradient,
    debug_callback,
    empty_and_constant,
    io_callback,
    kinds,
    mutable_arrays,
    no_results,
    pure_callback,
    random_keys,
    root,
    scatter_and_windows,
    shard_map_partial,
    shard_mapped,
    solve,
)
from tests.programs.control_programs import (
    associative_scan,
    composite,
    cond,
    fori,
    fori_unknown,
    inner_gradient,
    jit_nested,
    jit_options,
    named_call,
    remat,
    remat_around_scan,
    remat_in_scan,
    remat_policy,
    scan,
    scan_long,
    scan_no_carry,
    scan_no_rows,
    scan_reverse_unroll,
    scan_zero_length,
    switch,
    while_batched,
    while_loop,
)
from tests.programs.custom_rules import CUSTOM_RULES, FORWARD_MODE_REFUSED

X = np.arange(1, 9, dtype=np.float32) / 7

DERIVATIVES = frozenset({"grad", "second", "around", "jvp"})
REVERSE = frozenset({"grad", "second", "around"})
EVERYTHING = DERIVATIVES | {"vmap"}
JVP = frozenset({"jvp"})
SECOND = frozenset({"second"})


class Entry(NamedTuple):
    """One program of the grid."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = (X,)
    refuses: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()
    """Left out as well: JAX offers it on some of its versions only."""


PLAIN = (
    jit_options, jit_nested, named_call, scan, scan_reverse_unroll,
    scan_zero_length, scan_no_carry, scan_no_rows, scan_long, associative_scan, fori,
    cond, switch, remat, remat_policy, remat_in_scan, remat_around_scan, inner_gradient,
    shard_map_partial, solve, root, empty_and_constant, kinds,
    scatter_and_windows,
)  # fmt: skip

GRID: dict[str, Entry] = {
    **{function.__name__: Entry(function) for function in PLAIN},
    **{name: Entry(function) for name, function in CUSTOM_RULES.items()},
    **{name: Entry(CUSTOM_RULES[name], refuses=JVP) for name in FORWARD_MODE_REFUSED},
    "composite": Entry(composite, refuses=EVERYTHING),
    # Second derivatives through these two work on some JAX versions only.
    "conjugate_gradient": Entry(conjugate_gradient, unsettled=SECOND),
    "mutable_arrays": Entry(mutable_arrays, unsettled=SECOND),
    "shard_map_checked": Entry(shard_mapped(True)),
    "shard_map_unchecked": Entry(shard_mapped(False)),
    "while_loop": Entry(while_loop, refuses=REVERSE),
    "while_batched": Entry(while_batched, refuses=REVERSE),
    "fori_unknown": Entry(fori_unknown, refuses=REVERSE),
    "pure_callback": Entry(pure_callback, refuses=DERIVATIVES),
    "io_callback": Entry(io_callback, refuses=EVERYTHING),
    "debug_callback": Entry(debug_callback, unsettled=frozenset({"vmap"})),
    "random_keys": Entry(random_keys, (jax.random.key(3),), DERIVATIVES),
    "no_results": Entry(no_results),
}


def cases(transformations: Iterable[str]) -> list[tuple[str, str]]:
    """Every program of the grid with every one of the transformations it takes."""
    return [
        (name, transformation)
        for name, entry in GRID.items()
        for transformation in transformations
        if transformation not in entry.refuses | entry.unsettled
    ]
