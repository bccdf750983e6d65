"""How bad a finding is."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; the order is from worst to mildest."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
