"""What is wrong with the arrays that go in, before any of them is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.findings import Finding, Severity, found


def examine_inputs(
    leaves: Sequence[Any],
    parameters: Sequence[tuple[int, str]],
    fields: Sequence[tuple[int, str]],
) -> list[Finding]:
    """Findings on non-finite values among parameters and data.

    NaN is an error wherever it stands. Infinities are used as masks: among the
    data they are only mentioned.

    Args:
        leaves: flat arguments.
        parameters: index and name of each parameter leaf.
        fields: index and name of each other leaf.
    """
    findings = []
    for index, name in parameters:
        findings += _examine(leaves[index], name, "parameter", Severity.ERROR)
    for index, name in fields:
        findings += _examine(leaves[index], name, "data", Severity.INFO)
    return findings


def _examine(leaf: Any, name: str, kind: str, infinite: Severity) -> list[Finding]:
    if not jax.dtypes.issubdtype(leaf.dtype, np.inexact) or not leaf.size:
        return []
    array = np.asarray(leaf)
    if not array.dtype.isnative or array.dtype.kind not in "fc":
        array = array.astype(np.float32)
    finite = np.isfinite(array)
    if finite.all():
        return []
    nan = np.isnan(array)
    is_nan = bool(nan.any())
    wrong = nan if is_nan else ~finite
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    count = int(wrong.sum())
    what = "NaN" if is_nan else "infinite"
    place = f", the first at index {list(first)}" if array.ndim else ""
    return [
        found(
            "nonfinite-parameter" if kind == "parameter" else "nonfinite-data",
            name,
            f"{count} of {array.size} values are {what}{place}",
            severity=Severity.ERROR if is_nan else infinite,
            evidence={"count": count, "size": array.size, "first": first},
        )
    ]
