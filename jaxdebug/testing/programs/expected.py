"""What a verdict on a small program's gradient must be."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from jaxdebug.testing.programs.program import Known, SmallProgram

VISIBLE = 1e-3
"""Part of a leaf's gradient that must be seen if it is wrong."""

ROUNDED = 1e-10
"""Part of it that NumPy's roundings may be."""

SMALLEST = 1e-6
"""A leaf's gradient is no smaller, as part of the whole."""

MOVED = 1e-3
"""By how much points nearby are displaced, relative to each input's scale."""

STEEP = 1e4
"""Derivatives above are let be: they may overflow in a narrow dtype."""


class Expected(StrEnum):
    """What is known of a gradient."""

    RIGHT = "right"
    """As the function's: a verdict must not be fail."""
    WRONG = "wrong"
    """Visibly another, at the point and near it: a verdict must not be pass."""
    UNSAID = "unsaid"
    """Wrong by little, or nearby alone, or where nothing is known."""


def expected(program: SmallProgram, point: int = 0, order: int = 1) -> Expected:
    """What is known of the gradient that JAX makes of a program.

    Args:
        program: with mistakes or without.
        point: as of `SmallProgram.arguments`.
        order: 2 for what is known of first and second derivatives together.
    """
    right = program.right()
    truths = [right.known(point), *(_near(right, point, seed) for seed in range(3))]
    if order == 2:
        truths.append(right.known_second(point))
    if not all(map(_plain, truths)):
        return Expected.UNSAID
    if program == right:
        return Expected.RIGHT
    claims = [program.known(point), *(_near(program, point, seed) for seed in range(3))]
    first = [gap(*pair) for pair in zip(claims, truths[:4], strict=True)]
    if order == 2:
        second = gap(program.known_second(point), truths[4])
        if truths[0].clear > 10 * MOVED and not second <= VISIBLE:
            return Expected.WRONG
        first.append(second)
    if all(not each <= VISIBLE for each in first[:4]):
        return Expected.WRONG
    # Where nothing bends, one point is enough; at a kink many slopes are lawful.
    if truths[0].clear > 10 * MOVED and not first[0] <= VISIBLE:
        return Expected.WRONG
    return Expected.UNSAID


def _near(program: SmallProgram, point: int, seed: int) -> Known:
    return program.known(point, MOVED, seed)


def _plain(known: Known) -> bool:
    arrays = [known.value, *known.jacobian.values()]
    return all(np.isfinite(x).all() and np.abs(x).max() < STEEP for x in arrays)


def gap(claim: Known, truth: Known) -> float:
    """The worst leaf's gap, relative to its own norm; not a number counts as inf.

    Args:
        claim: as a program with mistakes has it.
        truth: as the program without has it.
    """
    whole = np.sqrt(sum(np.sum(x**2) for x in truth.jacobian.values()))
    worst = 0.0
    for name, true in truth.jacobian.items():
        off = float(np.linalg.norm(claim.jacobian[name] - true))
        size = max(float(np.linalg.norm(true)), SMALLEST * whole)
        if not np.isfinite(off):
            return np.inf
        if off and not size:
            return np.inf
        worst = max(worst, off / size if off else 0.0)
    return worst
