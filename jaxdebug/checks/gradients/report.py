"""What a gradient check found: values on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from jaxdebug.checks.gradients.document import gradient_document
from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding
from jaxdebug.gradients.certificate import Certificate
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Document, Verdict


@dataclass(frozen=True)
class GradientReport(Report):
    """Whether a gradient is right.

    Attributes:
        name: of the function.
        verdict: fail if a leaf, a rule or the value fails; inconclusive if one
            could not be decided.
        findings: worst first.
        leaves: every leaf that is differentiated by.
        rules: every custom rule that the derivative goes through.
        certificate: bound on the error of the whole gradient's logic.
        unchecked: parts that were not looked into, and why.
        seed: of directions, displacement and cotangents.
        cost: evaluations in float64, seconds with compilation.
        second: on second derivatives, if they were asked for: on the gradient along
            one vector, and on the second derivative of each rule.
    """

    schema: ClassVar[str] = "jaxdebug.gradients/1"

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    leaves: tuple[LeafCheck, ...]
    rules: tuple[RuleVerdict, ...]
    certificate: Certificate
    unchecked: tuple[str, ...]
    seed: int
    cost: Mapping[str, float]
    second: GradientReport | None = None

    def _document(self) -> Document:
        return gradient_document(self)

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "leaves": [asdict(leaf) for leaf in self.leaves],
            "rules": [asdict(rule) for rule in self.rules],
            "certificate": asdict(self.certificate),
            "unchecked": self.unchecked,
            "seed": self.seed,
            "cost": dict(self.cost),
            "second": None if self.second is None else self.second._record(),
        }
