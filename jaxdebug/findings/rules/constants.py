"""Large arrays that a trace captured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxdebug.findings.finding import Finding, found
from jaxdebug.findings.pages.program import LARGE, MENTIONED
from jaxdebug.findings.severity import Severity


class Constant(NamedTuple):
    """An array that a traced function captured instead of taking it in."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int
    line: object = None
    """Where the program first reads it, if that is known."""


def constant_findings(constants: Sequence[Constant]) -> list[Finding]:
    """A finding on each large captured constant, the largest first."""
    large = sorted(
        (constant for constant in constants if constant.bytes >= MENTIONED),
        key=lambda constant: -constant.bytes,
    )
    return [_finding(constant) for constant in large]


def _finding(constant: Constant) -> Finding:
    name = f"{constant.dtype}[{','.join(map(str, constant.shape))}]"
    at = f", read at {constant.line}" if constant.line else ""
    return found(
        "large-constant",
        name,
        f"an array of {constant.bytes / 2**20:.1f} MiB is captured by the function "
        f"instead of being an argument{at}",
        severity=Severity.WARNING if constant.bytes >= LARGE else Severity.INFO,
        line=constant.line,
        evidence={
            "shape": constant.shape,
            "bytes": constant.bytes,
            "threshold": LARGE,
        },
    )
