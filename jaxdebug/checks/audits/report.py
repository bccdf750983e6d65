"""What an audit found: values on the host, and the document they are drawn as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from jaxdebug.checks.audits.document import audit_document
from jaxdebug.checks.report import Report, finding_records
from jaxdebug.findings import Finding
from jaxdebug.gradients.certificate import Certificate
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.programs.places import Site
from jaxdebug.reports import Document, Verdict


@dataclass(frozen=True)
class LeafAudit:
    """A parameter: its gradient's verdict and what was measured of it.

    Attributes:
        gradient: whether its gradient is right; its path, shape and dtype.
        parameter: summary of its values: count, nonfinite, mean, rms, std, max.
        derivative: summary of its gradient.
        update: summary of the optimiser's first update, if one was given.
    """

    gradient: LeafCheck
    parameter: Mapping[str, Any]
    derivative: Mapping[str, Any]
    update: Mapping[str, Any] | None

    @property
    def path(self) -> str:
        """Of the leaf, in the user's spelling."""
        return self.gradient.path

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the leaf."""
        return self.gradient.shape

    @property
    def dtype(self) -> str:
        """Of the leaf."""
        return self.gradient.dtype


@dataclass(frozen=True)
class LayerAudit:
    """A layer's output or cotangent; arrays have one row for each scan iteration."""

    site: Site
    numbers: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class AuditReport(Report):
    """One audited batch.

    Attributes:
        name: what was audited.
        verdict: pass; fail if a finding is an error; inconclusive if some leaf
            could not be decided.
        findings: worst first.
        loss: in the model's precision.
        wide_loss: in float64.
        leaves: every parameter.
        rules: every custom rule that the gradient goes through.
        certificate: bound on the error of the whole gradient's logic.
        layers: every layer's output and cotangent.
        unseen: parts of the program that were not looked into.
        unidentified: layers whose cotangent could not be told, and why.
        seed: of directions and displacement.
        cost: losses evaluated, seconds, compilation included.
        silenced: findings that the user asked not to count.
    """

    schema: ClassVar[str] = "jaxdebug.audit/1"

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    loss: float
    wide_loss: float
    leaves: tuple[LeafAudit, ...]
    rules: tuple[RuleVerdict, ...]
    certificate: Certificate
    layers: tuple[LayerAudit, ...]
    unseen: tuple[str, ...]
    unidentified: tuple[str, ...]
    seed: int
    cost: Mapping[str, float]
    silenced: tuple[Finding, ...] = ()

    def named(self, name: str) -> AuditReport:
        """The same report under another name."""
        return replace(self, name=name)

    def _document(self) -> Document:
        return audit_document(self)

    def _record(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "findings": finding_records(self.findings),
            "silenced": finding_records(self.silenced),
            "loss": self.loss,
            "loss_float64": self.wide_loss,
            "leaves": [
                {
                    **asdict(leaf.gradient),
                    "parameter": _plain(leaf.parameter),
                    "gradient": _plain(leaf.derivative),
                    "update": None if leaf.update is None else _plain(leaf.update),
                }
                for leaf in self.leaves
            ],
            "rules": [asdict(rule) for rule in self.rules],
            "certificate": asdict(self.certificate),
            "layers": [
                {
                    "path": "/".join(layer.site.path),
                    "index": layer.site.index,
                    "kind": layer.site.kind,
                    "shape": layer.site.shape,
                    "dtype": layer.site.dtype,
                    "primitive": layer.site.primitive,
                    "line": str(layer.site.line) if layer.site.line else None,
                    **_plain(layer.numbers),
                }
                for layer in self.layers
            ],
            "not_seen_into": self.unseen,
            "not_identified": self.unidentified,
            "seed": self.seed,
            "cost": dict(self.cost),
        }


def _plain(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in numbers.items()}
