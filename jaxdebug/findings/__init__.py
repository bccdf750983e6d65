"""Findings: what a check has to say, with a stable code."""

from jaxdebug.findings.finding import Finding as Finding
from jaxdebug.findings.finding import found as found
from jaxdebug.findings.severity import Severity as Severity
