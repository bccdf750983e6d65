"""Pages on parameters and their updates."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.pages.measured import CONTROLS
from jaxdebug.findings.severity import Severity

EQUAL = 1e-5
"""Relative deviation of the mean from the largest magnitude of equal elements."""

LOST = 0.5
"""Share of non-zero updates that leave their parameter as it is."""

PAGES = (
    Page(
        "constant-weights",
        "All elements of a weight matrix are equal",
        Severity.WARNING,
        "All units of the layer compute the same, get the same gradient and stay "
        "the same: the layer has one unit.",
        "A parameter with at least two axes longer than one (not counting the axis "
        "of a scan over layers) whose mean is as large as its largest magnitude, to "
        f"{EQUAL:g}. Zero is not meant, biases and scales are not either: leaves "
        "called scale, gamma, bias or beta, or of a module whose name contains "
        "norm, are left out.",
        f"Random initialisers never give it. {CONTROLS}"
        ", with layer scales, stacked normalisations and zero-initialised "
        "layers among them.",
        (
            "Initialise with random values.",
            "If it is meant to be constant, as a mask is, keep it out of the "
            "parameters.",
        ),
        "Weights whose rows or whose columns are equal, but not all elements.",
    ),
    Page(
        "lost-update",
        "Updates are too small to change the parameter in its dtype",
        Severity.WARNING,
        "Adding the update gives the old number again: the parameter stands still "
        "however long the training goes on.",
        "The share of elements with p + update == p among those whose update is not "
        f"zero is {LOST:.0%} or more. A warning for parameters in half precision. In "
        "float32 the update is then less than 6e-8 of the parameter, and it is only "
        "mentioned (info).",
        f"{CONTROLS}, with Adam at a learning rate of 1e-6 in float32.",
        (
            "Keep the parameters in float32, and cast them for the computation.",
            "Raise the learning rate, or accumulate gradients before the update.",
            "Use stochastic rounding.",
        ),
        "Updates applied to another copy of the parameters.",
    ),
)
