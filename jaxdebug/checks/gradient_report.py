"""What a gradient check found: values on the host."""

from __future__ import annotations

from dataclasses import dataclass

from jaxdebug.gradients.certificate import Certificate
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.reports import Verdict


@dataclass(frozen=True)
class GradientReport:
    name: str
    verdict: Verdict
    leaves: tuple[LeafCheck, ...]
    rules: tuple[RuleVerdict, ...]
    certificate: Certificate
    seed: int
    seconds: float
