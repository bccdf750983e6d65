"""A gradient that is handed in as a value, held against JAX's, which was checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.eager import lawful_gap
from jaxdebug.checks.gradients.judged import Judged
from jaxdebug.gradients.blocks import Block
from jaxdebug.gradients.leaf_check import AGREEMENT, LeafCheck
from jaxdebug.programs.shadow import widen_on_host
from jaxdebug.reports import Verdict


def with_handed_in(
    judged: Judged, asked: Asked, values: Mapping[tuple[str, ...], Any]
) -> Judged:
    """The verdicts on JAX's gradient as those on one that was handed in.

    A value says nothing of any other point, so differences cannot look at it.

    Args:
        judged: of JAX's gradient.
        asked: what it was made of.
        values: by the path of each leaf.
    """
    paths, own = asked.plan.problem.split.paths, asked.held[-1]
    leaves = [
        _compared(leaf, np.asarray(values[path]), np.asarray(array))
        for leaf, path, array in zip(judged.leaves, paths, own, strict=True)
    ]
    doubted = [x.path for x in judged.leaves if x.verdict is not Verdict.PASS]
    unseen = [
        f"{path}: the gradient that was handed in, because JAX's is not known to be "
        "right"
        for path in doubted
    ]
    return judged._replace(leaves=tuple(leaves), unseen=(*judged.unseen, *unseen))


def _compared(leaf: LeafCheck, value: np.ndarray, own: np.ndarray) -> LeafCheck:
    """The check on a leaf, with what differs from a gradient that is right."""
    if leaf.verdict is not Verdict.PASS or not own.size:
        return leaf
    allowed = max(lawful_gap(leaf, value.dtype), AGREEMENT)
    given = widen_on_host(value)
    gap = np.abs(given - own)
    size = np.linalg.norm(own)
    if np.linalg.norm(gap) <= allowed * size:
        return leaf
    # Not less: NaN is wrong.
    places = np.argwhere(~(gap <= allowed * size / np.sqrt(own.size)))
    start, stop = places.min(0), places.max(0) + 1
    worst = np.unravel_index(
        np.nanargmax(np.where(np.isnan(gap), np.inf, gap)), gap.shape
    )
    error = np.linalg.norm(gap) / size if size > 0 else np.inf
    return replace(
        leaf,
        verdict=Verdict.FAIL,
        reason="disagrees" if np.isfinite(given).all() else "not-finite",
        witness="coordinates",
        error=float(error),
        index=tuple(map(int, worst)),
        found=float(np.real(given[worst])),
        expected=float(np.real(own[worst])),
        bar=float("inf"),
        blocks=(Block(tuple(map(int, start)), tuple(map(int, stop)), len(places)),),
    )
