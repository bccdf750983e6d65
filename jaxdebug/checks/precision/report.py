"""What a precision check found: values on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from jaxdebug.checks.precision.causes import Cause
from jaxdebug.checks.precision.document import precision_document
from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding
from jaxdebug.reports import Document, Verdict


@dataclass(frozen=True)
class ResultPrecision:
    """What rounding does to an output or to a leaf's gradient.

    Attributes:
        name: path of the leaf, or of the output.
        kind: `output` or `gradient`.
        shape: of the array.
        dtype: of the array.
        error: norm of the difference to float64, relative to the norm, with the same
            decisions on both sides; infinite if elements are not finite.
        worst: error of the worst element, relative to the root mean square.
        explained: unit of rounding of the narrowest dtype it is made with.
        flips: what it would change that float64 decides otherwise, relative to the
            norm.
        reason: `fine`; `half-lost` (more than half of the digits), `lost` (all but
            one), `overflow`, `not-finite` (in float64 too), `negligible` (zero but for
            rounding) or `empty`.
        causes: where its digits are lost, most of them first: indices among the
            report's causes.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    error: float
    worst: float
    explained: float
    flips: float
    reason: str
    causes: tuple[int, ...]


@dataclass(frozen=True)
class LayerPrecision:
    """What rounding does to a layer's output or cotangent.

    Attributes:
        name: of the layer.
        kind: `output` or `cotangent`.
        shape: of the array.
        dtype: of the array.
        error: relative to the norm; over all iterations of a loop.
        inherited: relative error of what came into the layer and brings most of it.
        worst: error of the worst element, relative to the root mean square.
        iteration: of a loop around it: the worst one.
        line: the user's line.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    error: float
    inherited: float
    worst: float
    iteration: int
    line: str


@dataclass(frozen=True)
class Flip:
    """A discrete decision that float64 takes otherwise.

    Attributes:
        layer: the path of the layer.
        line: the user's line.
        primitive: the comparison, sort, argmax or rounding.
        count: elements that come out otherwise, over all iterations.
    """

    layer: str
    line: str
    primitive: str
    count: int


@dataclass(frozen=True)
class PrecisionReport(Report):
    """What a function and its gradient lose in their own precision.

    Attributes:
        name: of the function.
        verdict: fail if something overflows or is not finite and is not silenced;
            inconclusive if the
            function is computed in float64 throughout, which nothing can be wider
            than.
        findings: worst first.
        results: every output and every leaf's gradient.
        causes: equations at which digits are lost, most of them first.
        layers: every layer's output and cotangent, in the order of the program.
        flips: decisions that float64 takes otherwise, most of them first.
        unchecked: parts that were not looked into, and why.
        seed: of the cotangents.
        cost: equations measured, seconds with compilation.
        silenced: findings that the user asked not to count.
    """

    schema: ClassVar[str] = "jaxdebug.precision/1"

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    results: tuple[ResultPrecision, ...]
    causes: tuple[Cause, ...]
    layers: tuple[LayerPrecision, ...]
    flips: tuple[Flip, ...]
    unchecked: tuple[str, ...]
    seed: int
    cost: Mapping[str, float]
    silenced: tuple[Finding, ...] = ()

    def _document(self) -> Document:
        return precision_document(self)

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "silenced": finding_records(self.silenced),
            "results": [asdict(result) for result in self.results],
            "causes": [
                {**asdict(cause), "digits": cause.digits} for cause in self.causes
            ],
            "layers": [asdict(layer) for layer in self.layers],
            "flips": [asdict(flip) for flip in self.flips],
            "unchecked": self.unchecked,
            "seed": self.seed,
            "cost": dict(self.cost),
        }
