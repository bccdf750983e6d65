"""Rules: from the numbers of sites to findings, one file for each family."""

from jaxdebug.findings.rules.all_rules import rules as rules
from jaxdebug.findings.rules.constants import Constant as Constant
from jaxdebug.findings.rules.constants import constant_findings as constant_findings
