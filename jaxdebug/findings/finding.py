"""One thing a check found: a stable code, where, the evidence, what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; the order is from worst to mildest."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing a check found.

    Attributes:
        code: a stable name whose meaning never changes, such as
            `"nonfinite-data"`.
        severity: error, warning or info.
        where: the parameter, layer or field, in the user's spelling.
        message: what was found, with its numbers.
        remedies: what to try, most useful first.
        evidence: the numbers, for machines.
    """

    code: str
    severity: Severity
    where: str
    message: str
    remedies: tuple[str, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)
