"""Dtypes and axes: what JAX will change, and what differs between the splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from jaxdebug.checks.data.fields import INPUT, Field
from jaxdebug.checks.data.scan import Scan
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.findings import Finding, Severity, found

COLOURS = (1, 3, 4)
"""Images have so many channels."""


def require_same_fields(first: Scan, other: Scan) -> None:
    """Refuse splits whose batches hold different things.

    Raises:
        ValueError: if the names differ.
    """
    names = [[field.name for field in scan.fields] for scan in (first, other)]
    if names[0] != names[1]:
        listed = [", ".join(name or "one array" for name in some) for some in names]
        raise ValueError(
            f"check_data: expected {other.name} to have the fields of {first.name}: "
            f"{listed[0]}; found {listed[1]}."
        )


def check_layout(scans: Sequence[Scan]) -> Outcome:
    """Say which dtypes and shapes differ between splits, or are not what they seem."""
    train = scans[0]
    findings: list[Finding] = []
    for field in train.fields:
        findings += _alone(train.name, field)
    for scan in scans[1:]:
        for one, other in zip(train.fields, scan.fields, strict=True):
            findings += _apart(train.name, one, scan.name, other)
    fields = ", ".join(
        f"{field.name or train.name} {field.dtype}{list(field.shape)}"
        for field in train.fields[:4]
    )
    return judged("layout", fields, findings)


def _alone(split: str, field: Field) -> Iterator[Finding]:
    cast = jax.dtypes.canonicalize_dtype(field.dtype)
    if field.dtype.kind in "fc" and cast != field.dtype:
        yield found(
            "cast-data",
            field.of(split),
            f"{field.dtype} becomes {np.dtype(cast)} when JAX takes it",
            evidence={"dtype": str(field.dtype)},
        )
    shape = field.shape
    image = field.role == INPUT and len(shape) == 3
    if image and shape[0] in COLOURS and shape[2] > max(COLOURS):
        yield found(
            "channels-first",
            field.of(split),
            f"rows of shape {list(shape)} look like images whose channels come first",
            evidence={"shape": list(shape)},
        )


def _apart(split: str, one: Field, other_split: str, other: Field) -> Iterator[Finding]:
    if one.shape != other.shape:
        yield found(
            "unlike-splits",
            other.of(other_split),
            f"rows have the shape {list(other.shape)}, in {split} {list(one.shape)}: "
            "they were not compared",
            severity=Severity.INFO,
            evidence={"shape": list(other.shape), "expected": list(one.shape)},
        )
    if one.dtype != other.dtype:
        whole = [field.dtype.kind in "iu" for field in (one, other)]
        yield found(
            "unlike-splits",
            other.of(other_split),
            f"the dtype is {other.dtype}, in {split} {one.dtype}",
            severity=Severity.WARNING if whole[0] != whole[1] else Severity.INFO,
            evidence={"dtype": str(other.dtype), "expected": str(one.dtype)},
        )
