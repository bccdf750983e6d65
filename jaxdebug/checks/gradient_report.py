"""What a gradient check found: values on the host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxdebug.checks.finding_record import finding_record
from jaxdebug.checks.gradient_document import gradient_document
from jaxdebug.findings import Finding
from jaxdebug.gradients.certificate import Certificate
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict, render_html, render_json, render_text, save_report

SCHEMA = "jaxdebug.gradients/1"


class GradientsFailed(AssertionError):
    """Raised by `GradientReport.raise_if_failed`; the message is the report."""


@dataclass(frozen=True)
class GradientReport:
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

    @property
    def ok(self) -> bool:
        """Whether the verdict is pass."""
        return self.verdict is Verdict.PASS

    def text(self, width: int | None = None, color: bool = False) -> str:
        """The report as text, `width` columns wide."""
        return render_text(gradient_document(self), width=width, color=color)

    def to_json(self) -> str:
        """The report as JSON of the schema `jaxdebug.gradients/1`."""
        return render_json(_flat(self._record()), schema=SCHEMA)

    def _record(self) -> dict[str, Any]:
        second = {} if self.second is None else {"second": self.second._record()}
        return second | {
            "name": self.name,
            "verdict": self.verdict,
            "findings": [finding_record(finding) for finding in self.findings],
            "leaves": [asdict(leaf) for leaf in self.leaves],
            "rules": [asdict(rule) for rule in self.rules],
            "certificate": asdict(self.certificate),
            "unchecked": self.unchecked,
            "seed": self.seed,
            "cost": dict(self.cost),
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a .txt or .json file; returns its path."""
        return save_report(path, text=self.text(width=100), json=self.to_json())

    def raise_if_failed(self, *, allow_inconclusive: bool = False) -> None:
        """Raise `GradientsFailed` with the report, unless the verdict is pass."""
        allowed = self.verdict is Verdict.INCONCLUSIVE and allow_inconclusive
        if not self.ok and not allowed:
            raise GradientsFailed("\n" + self.text(width=100))

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return render_html(self.text(width=100))


def _flat(value: Any) -> Any:
    """Tuples as lists, so that JSON has one kind of sequence."""
    if isinstance(value, Mapping):
        return {name: _flat(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_flat(item) for item in value]
    return value
