"""Pages on parameters and their updates."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.pages.measured import AUDITS, CONTROLS
from jaxdebug.findings.severity import Severity

EQUAL = 1e-5
"""Relative deviation of the mean from the largest magnitude of equal elements."""

SAME_GRADIENT = 1e-3
"""The same for gradients, whose equal elements are summed in different orders."""

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
        "Weights whose rows or whose columns are equal, but not all elements: see "
        "identical-units.",
    ),
    Page(
        "identical-units",
        "Units of a layer have identical weights and an identical gradient",
        Severity.WARNING,
        "What is equal and moves alike stays equal: all these units, heads, experts "
        "or ensemble members are one, whatever the number of parameters.",
        "Along one axis of a parameter with at least two axes longer than one, all "
        f"slices are equal, to {EQUAL:g} of its largest magnitude, but not all "
        "elements. A warning if the slices of its gradient along this axis are equal "
        f"as well, to {SAME_GRADIENT:g} of the largest, and not zero. If they differ "
        "the next step parts the units, and they are only mentioned (info): a pattern "
        "repeated on purpose, or copies of one expert.",
        "Random initialisers never give equal slices. Patterns that are repeated on "
        "purpose (filters of a depthwise convolution, state matrices, copied "
        "experts) have gradients that differ, as far as their inputs or readouts do. "
        f"{AUDITS}, repeated patterns among them.",
        (
            "Initialise each unit with numbers of its own: look for tile, repeat or "
            "broadcast_to in the initialiser.",
            "Look for a random key that is used for every member of a vmap: split it.",
        ),
        "A single unit that is a copy of another; units that are equal but for their "
        "order or sign. Only the audit looks, not the rules on probe's statistics.",
    ),
    Page(
        "lookup-outside",
        "An embedding is asked for rows that it does not have",
        Severity.WARNING,
        "JAX raises no error for an index outside of an array: the lookup gives NaN, "
        "or the last row, by the way it is written. Such examples train the wrong row "
        "or ruin the loss.",
        "The indices with which the program reads whole rows of a parameter, against "
        "its number of rows; negative indices count from the end before that. An error "
        "where a layer's output is not finite, which this may explain. Rows that are "
        "never looked up are no finding, as one batch cannot tell: the report counts "
        "them.",
        f"Never where all indices are inside. {CONTROLS}. Padding written as an index "
        "beyond the end, to be clipped on purpose, would fire.",
        (
            "Compare the largest index of the data with the table's number of rows: "
            "new tokens, labels that start from 1, or a table of another vocabulary.",
            "Look for a padding or unknown token that is not in the table.",
        ),
        "Lookups by a product with one-hot rows; arrays that are no parameters.",
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
