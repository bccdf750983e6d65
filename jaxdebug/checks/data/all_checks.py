"""All checks of data sets, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from jaxdebug.checks.data import scale
from jaxdebug.checks.data.batches import check_batches
from jaxdebug.checks.data.different_rows import different_rows
from jaxdebug.checks.data.duplicates import (
    check_conflicts,
    check_duplicates,
    check_leakage,
    repeats_of,
)
from jaxdebug.checks.data.features import (
    check_constant,
    check_constant_target,
    check_duplicated,
)
from jaxdebug.checks.data.finite import check_finite
from jaxdebug.checks.data.label_shift import check_label_shift
from jaxdebug.checks.data.labels import check_balance, check_labels
from jaxdebug.checks.data.layout import check_layout
from jaxdebug.checks.data.leaked_target import check_leaked_target
from jaxdebug.checks.data.near_duplicates import check_near_duplicates
from jaxdebug.checks.data.neighbours import check_neighbours
from jaxdebug.checks.data.order import check_order
from jaxdebug.checks.data.overlaps import check_overlaps
from jaxdebug.checks.data.own_scale import check_own_scale
from jaxdebug.checks.data.padding import check_padding
from jaxdebug.checks.data.perturbations import check_transform
from jaxdebug.checks.data.relations import check_relations
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.data.shift import check_shift
from jaxdebug.checks.outcome import Outcome

CHECKS = (
    "finite",
    "layout",
    "scale",
    "constant-features",
    "duplicated-features",
    "constant-target",
    "labels",
    "balance",
    "leaked-target",
    "leakage",
    "near-duplicates",
    "overlapping-windows",
    "duplicates",
    "conflicting-labels",
    "shift",
    "own-scale",
    "relations",
    "neighbours",
    "label-shift",
    "order",
    "padding",
    "identical-batches",
    "transform",
)
"""In the order in which they run."""

OF_INPUTS = frozenset(
    {
        "constant-features",
        "duplicated-features",
        "leaked-target",
        "leakage",
        "near-duplicates",
        "overlapping-windows",
        "duplicates",
        "conflicting-labels",
        "identical-batches",
    }
)
"""Those that look at nothing else."""


def checks_of(
    scans: list[Scan],
    declare: Sequence[str],
    num_classes: int | None,
    first_layer: str | None,
    transform: Callable[[Any], Any] | None,
    batch: Any,
) -> Mapping[str, Callable[[], Outcome]]:
    """Every check by name, to be called."""
    train = scans[0]
    repeats = cache(lambda: repeats_of(scans))  # some checks share it, others need none
    different = cache(lambda: [*map(different_rows, scans)])
    padded = [
        (one.name, one.fields[at], ends)
        for one in scans
        for at, ends in one.padding.items()
    ]
    return {
        "finite": lambda: check_finite(scans),
        "layout": lambda: check_layout(scans),
        "scale": lambda: scale.check_scale(train, first_layer),
        "constant-features": lambda: check_constant(train),
        "duplicated-features": lambda: check_duplicated(train),
        "constant-target": lambda: check_constant_target(train),
        "labels": lambda: check_labels(scans, num_classes),
        "balance": lambda: check_balance(train),
        "leaked-target": lambda: check_leaked_target(train),
        "leakage": lambda: check_leakage(scans, repeats()),
        "near-duplicates": lambda: check_near_duplicates(scans, repeats()),
        "overlapping-windows": lambda: check_overlaps(scans),
        "duplicates": lambda: check_duplicates(scans, repeats()),
        "conflicting-labels": lambda: check_conflicts(scans, repeats()),
        "shift": lambda: check_shift(scans, different(), declare),
        "own-scale": lambda: check_own_scale(scans),
        "relations": lambda: check_relations(scans, different(), declare),
        "neighbours": lambda: check_neighbours(scans, declare),
        "label-shift": lambda: check_label_shift(scans, different(), declare),
        "order": lambda: check_order(train, declare),
        "padding": lambda: check_padding(padded),
        "identical-batches": lambda: check_batches(scans, repeats()),
        "transform": lambda: check_transform(transform, batch, declare),
    }
