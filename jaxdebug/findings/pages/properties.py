"""Pages on properties that layers, losses and rules should have."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "broken-property",
        "A property that should hold does not, on an example that was found",
        Severity.ERROR,
        "The layer does something else than is expected of it: what, the message says. "
        "A batch that is mixed, a mode that is ignored or a gradient that is wrong "
        "spoils a training without any error.",
        "Hypothesis draws inputs; two ways to compute the same are compared, up to 256 "
        "roundings of the largest element and 32 times what roundings of the inputs "
        "were seen to change. The simplest inputs that still fail are given.",
        "Never where the property is skipped by name. A property of which "
        "roundings leave nothing to decide is inconclusive.",
        (
            "Run the line that reproduces it, and print what the layer computes there.",
            "If the layer is meant to be so, skip the property by name.",
        ),
        "Inputs that were not drawn.",
    ),
)
