"""Which properties of a layer hold, on how many examples: values on the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding, found
from jaxdebug.reports import Column, Document, Section, Table, Verdict, worst


@dataclass(frozen=True)
class PropertyResult:
    """Whether a property holds.

    Attributes:
        name: of the property.
        says: what it says, in words.
        verdict: pass on all examples, fail on one, or inconclusive.
        examples: on how many it was tried.
        reason: what is wrong, or why it could not be decided; else empty.
        inputs: the simplest inputs that were found at which it fails, as Python.
        reproduce: a line that fails again; empty if nothing failed.
    """

    name: str
    says: str
    verdict: Verdict
    examples: int
    reason: str = ""
    inputs: str = ""
    reproduce: str = ""


@dataclass(frozen=True)
class LayerReport(Report):
    """Which properties of a layer hold.

    Attributes:
        name: of the layer.
        verdict: the worst of its properties'.
        properties: that were tried, in order.
        unchecked: properties that were not, and why.
        seed: of the examples.
        cost: seconds with compilation.
        check: the function that reported.
        said: what was found besides.
    """

    schema: ClassVar[str] = "jaxdebug.layer/1"

    name: str
    verdict: Verdict
    properties: tuple[PropertyResult, ...]
    unchecked: tuple[str, ...]
    seed: int
    cost: Mapping[str, float]
    check: str = "check_layer"
    said: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A finding for each property that does not hold."""
        return tuple(
            found(
                "broken-property",
                self.name,
                f"{one.name}: not so that {one.says}: {one.reason}",
                evidence={"inputs": one.inputs, "reproduce": one.reproduce},
            )
            for one in self.properties
            if one.verdict is Verdict.FAIL
        )

    def _document(self) -> Document:
        failed = sum(one.verdict is Verdict.FAIL for one in self.properties)
        held = sum(one.verdict is Verdict.PASS for one in self.properties)
        head = f"{held} of {len(self.properties)} properties hold, {failed} do not"
        return Document(
            f"{WHAT[self.check]} {self.name}",
            self.verdict,
            head,
            tuple(_sections(self)),
        )

    def _record(self) -> Mapping[str, Any]:
        return {
            "check": self.check,
            "name": self.name,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "properties": [asdict(one) for one in self.properties],
            "unchecked": self.unchecked,
            "said": self.said,
            "seed": self.seed,
            "cost": dict(self.cost),
        }


WHAT = {
    "check_layer": "layer",
    "check_custom_rule": "rule of",
    "check_loss": "loss",
    "check_transformation": "transformation",
}
"""What each check is of."""


def layer_report(
    check: str,
    name: str,
    properties: tuple[PropertyResult, ...],
    unchecked: tuple[str, ...],
    seed: int,
    seconds: float,
    said: Sequence[str] = (),
) -> LayerReport:
    """The report of a layer's properties."""
    verdict = worst([one.verdict for one in properties] or [Verdict.INCONCLUSIVE])
    cost = {"seconds": seconds}
    return LayerReport(
        name, verdict, properties, unchecked, seed, cost, check, tuple(said)
    )


def _sections(report: LayerReport) -> Iterator[Section]:
    for one in report.properties:
        if one.verdict is not Verdict.PASS:
            lines = [f"Expected: {one.says}.", f"Found: {one.reason}."]
            if one.inputs and one.inputs not in one.reproduce:
                lines.append(f"At inputs {one.inputs}")
            lines += [f"Reproduce: {one.reproduce}"] if one.reproduce else []
            yield Section(f"{one.verdict}: {one.name}", tuple(lines))
    columns = (
        Column("property", "path"),
        Column("verdict", "status"),
        Column("examples", "number"),
    )
    rows = tuple((one.name, one.verdict, one.examples) for one in report.properties)
    yield Section("Properties", table=Table(columns, rows))
    if report.said:
        yield Section("Found", report.said)
    if report.unchecked:
        yield Section("Not checked", listing=report.unchecked)
    yield Section(
        "Cost",
        (f"{report.cost['seconds']:.1f} s with compilation, seed {report.seed}",),
    )
