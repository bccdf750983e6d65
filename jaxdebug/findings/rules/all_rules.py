"""Every rule that one pass supports."""

from __future__ import annotations

from jaxdebug.findings.finding import Finding, worst_first
from jaxdebug.findings.rules.depth import depth_findings
from jaxdebug.findings.rules.dynamic_range import range_findings
from jaxdebug.findings.rules.lookups import lookup_findings
from jaxdebug.findings.rules.nonfinite import nonfinite_findings
from jaxdebug.findings.rules.parameters import parameter_findings
from jaxdebug.findings.rules.reading import Measured
from jaxdebug.findings.rules.units import unit_findings
from jaxdebug.findings.rules.zero_gradients import zero_gradient_findings
from jaxdebug.findings.severity import Severity

FAMILIES = (
    zero_gradient_findings,
    depth_findings,
    unit_findings,
    range_findings,
)
"""What is judged of values that are finite; of others it says nothing."""


def rules(measured: Measured) -> list[Finding]:
    """The findings that the statistics of one pass support, worst first.

    Args:
        measured: sites with their summaries, as iterating over the statistics of
            `probe` gives them. What was not measured is not judged: a rule that
            lacks its numbers is silent.

    Returns:
        Findings, by severity and then by family.

    Cost:
        Pure NumPy on the host; nothing is compiled or measured.
    """
    measured = list(measured)
    findings = nonfinite_findings(measured)
    always = (parameter_findings, lookup_findings)
    families = (*FAMILIES, *always)
    if any(finding.severity is Severity.ERROR for finding in findings):
        # What is zero, silent or small next to NaN is so because of it.
        families = always
    findings += [finding for family in families for finding in family(measured)]
    return worst_first(findings)
