"""What was found of a value that is not finite: values on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from jaxdebug.checks.nonfinite.document import nonfinite_document
from jaxdebug.checks.nonfinite.origin import Origin
from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding
from jaxdebug.reports import Document, Verdict


@dataclass(frozen=True)
class NonfiniteOutput:
    """An output that holds NaN or infinities.

    Attributes:
        name: path of the leaf.
        shape: of the array.
        dtype: of the array.
        nan: how many elements are NaN.
        infinite: how many are infinite.
        index: of the first that is NaN, or else infinite.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    nan: int
    infinite: int
    index: tuple[int, ...]


@dataclass(frozen=True)
class NonfiniteInput:
    """An input that held NaN or an infinity already.

    Attributes:
        name: path of the leaf.
        shape: of the array.
        dtype: of the array.
        nan: how many elements are NaN.
        infinite: how many are infinite.
        index: of the element that was followed.
        value: of that element.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    nan: int
    infinite: int
    index: tuple[int, ...]
    value: float | str


@dataclass(frozen=True)
class NonfiniteReport(Report):
    """Where the first NaN or infinity that reaches an output was made.

    Attributes:
        name: of the function.
        verdict: pass if every output is finite, or infinite as it was meant; fail if
            an output is not finite; inconclusive if it is, and what made it was not
            found. Pass with a warning if only a gradient is not finite.
        kind: `nan` or `inf`: what was followed; empty if nothing was.
        reason: why, in plain words.
        failed: the equation that made NaN of operands without NaN, or an infinity of
            finite ones where no output is NaN; None if an input held it already.
        cause: the equation that made the infinity behind a NaN, of finite operands;
            None if there is none: what failed then stands alone.
        given: the input that held the NaN, or the infinity behind it.
        outputs: every output that is not finite; if there is none, gradients.
        remedies: what to try, most useful first.
        notes: what limits the answer, and what was not seen into.
        cost: seconds with compilation.
        findings: the same as one finding, `nonfinite-operation` or `nonfinite-input`.
    """

    schema: ClassVar[str] = "jaxdebug.nonfinite/1"

    name: str
    verdict: Verdict
    kind: str
    reason: str
    failed: Origin | None
    cause: Origin | None
    given: NonfiniteInput | None
    outputs: tuple[NonfiniteOutput, ...]
    remedies: tuple[str, ...]
    notes: tuple[str, ...]
    cost: Mapping[str, float]
    findings: tuple[Finding, ...] = ()

    def _document(self) -> Document:
        return nonfinite_document(self)

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "kind": self.kind,
            "reason": self.reason,
            "findings": finding_records(self.findings),
            "failed": None if self.failed is None else asdict(self.failed),
            "cause": None if self.cause is None else asdict(self.cause),
            "given": None if self.given is None else asdict(self.given),
            "outputs": [asdict(output) for output in self.outputs],
            "remedies": self.remedies,
            "notes": self.notes,
            "cost": dict(self.cost),
        }
