"""Findings: what a check has to say, with a stable code."""

from jaxdebug.findings.finding import Finding as Finding
from jaxdebug.findings.finding import Severity as Severity
