"""What an audit found: values on the host, and the document they are drawn as."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxdebug.checks.audit_document import audit_document
from jaxdebug.checks.finding_record import finding_record
from jaxdebug.findings import Finding
from jaxdebug.gradients.verdict import LeafVerdict
from jaxdebug.programs.places import Site
from jaxdebug.reports import Verdict, render_html, render_json, render_text, save_report

SCHEMA = "jaxdebug.audit/1"


class AuditFailed(AssertionError):
    """Raised by `AuditReport.raise_if_failed`; the message is the report."""


@dataclass(frozen=True)
class LeafAudit:
    """A parameter: its gradient's verdict and what was measured of it.

    Attributes:
        path: the leaf, in the user's spelling.
        shape: of the leaf.
        dtype: of the leaf.
        gradient: how its gradient compares with finite differences.
        parameter: summary of its values: count, nonfinite, mean, rms, std, max.
        derivative: summary of its gradient.
        update: summary of the optimiser's first update, if one was given.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    gradient: LeafVerdict
    parameter: Mapping[str, Any]
    derivative: Mapping[str, Any]
    update: Mapping[str, Any] | None


@dataclass(frozen=True)
class LayerAudit:
    """A layer's output or cotangent; arrays have one row for each scan iteration."""

    site: Site
    numbers: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class AuditReport:
    """One audited batch.

    Attributes:
        name: what was audited.
        verdict: pass; fail if a finding is an error; inconclusive if some leaf
            could not be decided.
        findings: worst first.
        loss: in the model's precision.
        wide_loss: in float64.
        leaves: every parameter.
        layers: every layer's output and cotangent.
        unseen: parts of the program that were not looked into.
        unidentified: layers whose cotangent could not be told, and why.
        seed: of directions and displacement.
        cost: losses evaluated, seconds, compilation included.
        silenced: findings that the user asked not to count.
    """

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    loss: float
    wide_loss: float
    leaves: tuple[LeafAudit, ...]
    layers: tuple[LayerAudit, ...]
    unseen: tuple[str, ...]
    unidentified: tuple[str, ...]
    seed: int
    cost: Mapping[str, float]
    silenced: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the verdict is pass."""
        return self.verdict is Verdict.PASS

    def named(self, name: str) -> AuditReport:
        """The same report under another name."""
        return replace(self, name=name)

    def text(self, width: int | None = None, color: bool = False) -> str:
        """The report as text, `width` columns wide."""
        return render_text(audit_document(self), width=width, color=color)

    def to_json(self) -> str:
        """The report as JSON of the schema `jaxdebug.audit/1`."""
        return render_json(self._payload(), schema=SCHEMA)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to a .txt or .json file; returns its path."""
        return save_report(path, text=self.text(width=100), json=self.to_json())

    def raise_if_failed(self, *, allow_inconclusive: bool = False) -> None:
        """Raise `AuditFailed` with the report's text, unless the verdict is pass."""
        allowed = self.verdict is Verdict.INCONCLUSIVE and allow_inconclusive
        if not self.ok and not allowed:
            raise AuditFailed("\n" + self.text(width=100))

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return render_html(self.text(width=100))

    def _payload(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "findings": [finding_record(finding) for finding in self.findings],
            "silenced": [finding_record(finding) for finding in self.silenced],
            "loss": self.loss,
            "loss_float64": self.wide_loss,
            "leaves": [
                {
                    "path": leaf.path,
                    "shape": leaf.shape,
                    "dtype": leaf.dtype,
                    "verdict": leaf.gradient.verdict,
                    "reason": leaf.gradient.reason,
                    "slope": leaf.gradient.slope,
                    "difference": leaf.gradient.difference,
                    "bar": leaf.gradient.bar,
                    "relative_error": leaf.gradient.error,
                    "agrees_at_point": leaf.gradient.at_point,
                    "precision_error": leaf.gradient.precision,
                    "parameter": _plain(leaf.parameter),
                    "gradient": _plain(leaf.derivative),
                    "update": None if leaf.update is None else _plain(leaf.update),
                }
                for leaf in self.leaves
            ],
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
