"""A column of the inputs that is the target, scaled, renumbered or a little noisy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaxdebug.checks.data.chance import log_orders
from jaxdebug.checks.data.classes import labels_of
from jaxdebug.checks.data.fields import INPUT
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged, not_run
from jaxdebug.findings import found

UNEXPLAINED = 1e-3
"""Of the variance, what a leaked column and its target may not share."""

ALONE = 100.0
"""The middle column leaves so many times as much unexplained: where all of them tell
the target, as in windows of a series, that is the task."""

LEAST_ROWS, MOST_TARGETS = 30, 16

LEAST_OF_CLASS = 3
"""Fewer rows than this tell nothing of a class, nor of the variance they make."""
CHANCE = 1e-6
"""How often a column of so few other values may fit by chance."""


def unexplained(columns: np.ndarray, target: np.ndarray, classes: bool) -> np.ndarray:
    """What share of each column's variance the target leaves unexplained.

    Args:
        columns: float64[rows, width].
        target: [rows], numbers or labels.
        classes: whether it is labels, whose means explain; otherwise a line does.

    Returns:
        float64[width], NaN of constant columns, 1 where a row or two decide.
    """
    apart = columns - columns.mean(0)
    total = np.einsum("ij,ij->j", apart, apart)
    # A constant column keeps the rounding of its mean.
    varying = columns.min(0) < columns.max(0)
    outlying = _outlying(apart, total)
    with np.errstate(all="ignore"):
        if classes:
            _, places, counts = np.unique(
                target, return_inverse=True, return_counts=True
            )
            order = np.argsort(places, kind="stable")
            starts = np.r_[0, np.cumsum(counts)[:-1]]
            means = np.add.reduceat(apart[order], starts) / counts[:, None]
            means[counts < LEAST_OF_CLASS] = 0  # a row or two explain themselves
            within = apart - means[places]
            left = np.einsum("ij,ij->j", within, within) / total
        else:
            line = target - target.mean()
            slope = (line @ apart) / (line @ line)
            rest = apart - np.outer(line, slope)
            left = np.einsum("ij,ij->j", rest, rest) / total
            outlying |= _outlying(line, line @ line)
    return np.where(varying, np.where(outlying, 1.0, left), np.nan)


def _outlying(apart: np.ndarray, total: Any) -> np.ndarray:
    """Whether a single row makes so much of the variance that it explains itself."""
    return (apart**2).max(0) > total / LEAST_OF_CLASS


def check_leaked_target(scan: Scan) -> Outcome:
    """Say whether a column of the inputs tells the target all but exactly.

    Args:
        scan: of the training split; its sample is looked at.
    """
    name = "leaked-target"
    at = scan.target
    if at is None:
        return not_run(name, "give `targets`, one array")
    field, block = scan.fields[at], scan.sample.arrays[at]
    labels = labels_of(field, block) if scan.classes is not None else None
    if labels is None and field.width > MOST_TARGETS:
        return not_run(name, f"the target is {field.width} numbers a row")
    targets = [labels] if labels is not None else list(block.T)
    inputs = scan.of_role(INPUT)
    if field.width > 1 and any(
        scan.fields[i].shape[:1] == field.shape[:1] for i in inputs
    ):
        # The next token of a text is one of its inputs: that is the task.
        return not_run(name, "inputs and targets are sequences of one length")
    names = [
        scan.fields[i].column(column, scan.name)
        for i in inputs
        for column in range(scan.fields[i].width)
    ]
    columns = np.concatenate([scan.sample.arrays[i] for i in inputs], 1)
    usable = np.isfinite(block).all(1)
    columns = np.where(np.isfinite(columns), columns, 0.0)[usable]
    if len(columns) < LEAST_ROWS:
        return not_run(name, f"{len(columns)} rows tell nothing, {LEAST_ROWS} would")
    findings, best = [], 1.0
    for target in targets:
        kept = target[usable]
        left = np.maximum(unexplained(columns, kept, labels is not None), 1e-12)
        varying = ~np.isnan(left)
        if kept.min() == kept.max() or varying.sum() < 2:
            continue
        best = min(best, float(np.nanmin(left)))
        suspects = np.flatnonzero(left <= UNEXPLAINED)
        middle = float(np.nanmedian(left))
        suspects = [i for i in suspects if middle >= ALONE * left[i]]
        fitting = [
            i for i in suspects if _beyond_chance(columns[:, i], kept, len(names))
        ]
        if not fitting or 2 * len(fitting) > varying.sum():
            continue
        listed = ", ".join(names[i] for i in fitting[:4])
        more = f" and {len(fitting) - 4} more" if len(fitting) > 4 else ""
        findings.append(
            found(
                "leaked-target",
                names[fitting[0]],
                f"{listed}{more}: all but {left[fitting[0]]:.1g} of the variance is "
                f"explained by the target {field.of(scan.name)}; the middle column "
                f"leaves {middle:.2g}",
                evidence={"unexplained": float(left[fitting[0]]), "middle": middle},
            )
        )
    said = (
        f"the nearest column leaves {best:.2g} unexplained, judged by {UNEXPLAINED:g}"
    )
    return judged(name, said, findings, {"unexplained": best})


def _beyond_chance(column: np.ndarray, target: np.ndarray, tests: int) -> bool:
    """Whether values that often differ fit: a single other one may fit by chance."""
    least = math.log(tests / CHANCE)
    return min(log_orders(column), log_orders(target)) >= least
