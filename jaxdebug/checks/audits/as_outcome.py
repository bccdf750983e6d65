"""The audit of the first batch, as one check of several."""

from __future__ import annotations

from jaxdebug.checks.outcome import Outcome
from jaxdebug.checks.subject import Subject


def gradients_and_layers(subject: Subject) -> Outcome:
    """Audit the first training batch, as `audit` does.

    Args:
        subject: any; with `optimizer` its first update too.
    """
    report = subject.audit
    return Outcome(
        "gradients-and-layers",
        report.verdict,
        report.summary().partition(": ")[2],
        report.findings,
        {"loss": report.loss, "loss_float64": report.wide_loss},
    )
