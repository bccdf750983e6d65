"""What a precision check found: values on the host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from jaxdebug.checks.finding_record import finding_record
from jaxdebug.checks.precision_causes import Cause
from jaxdebug.checks.precision_document import precision_document
from jaxdebug.checks.report_parts import flat
from jaxdebug.findings import Finding
from jaxdebug.reports import Verdict, render_html, render_json, render_text, save_report

SCHEMA = "jaxdebug.precision/1"


class PrecisionFailed(AssertionError):
    """Raised by `PrecisionReport.raise_if_failed`; the message is the report."""


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
class PrecisionReport:
    """What a function and its gradient lose in their own precision.

    Attributes:
        name: of the function.
        verdict: fail if something overflows or is not finite; inconclusive if the
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
    """

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

    @property
    def ok(self) -> bool:
        """Whether the verdict is pass."""
        return self.verdict is Verdict.PASS

    def text(self, width: int | None = None, color: bool = False) -> str:
        """The report as text, `width` columns wide."""
        return render_text(precision_document(self), width=width, color=color)

    def to_json(self) -> str:
        """The report as JSON of the schema `jaxdebug.precision/1`."""
        payload = {
            "name": self.name,
            "verdict": self.verdict,
            "findings": [finding_record(finding) for finding in self.findings],
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
        return render_json(flat(payload), schema=SCHEMA)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a .txt or .json file; returns its path."""
        return save_report(path, text=self.text(width=100), json=self.to_json())

    def raise_if_failed(self, *, allow_inconclusive: bool = False) -> None:
        """Raise `PrecisionFailed` with the report, unless the verdict is pass."""
        allowed = self.verdict is Verdict.INCONCLUSIVE and allow_inconclusive
        if not self.ok and not allowed:
            raise PrecisionFailed("\n" + self.text(width=100))

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return render_html(self.text(width=100))
