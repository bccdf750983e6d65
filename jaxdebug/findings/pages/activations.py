"""Pages on activation functions."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.pages.measured import CONTROLS
from jaxdebug.findings.severity import Severity

RAREST = 1e-6
"""How rare an observation must be under the null model."""

FEWEST_EXAMPLES = 32
"""So many examples are needed to call all units of a narrow layer dead."""

FEWEST_UNITS = 4
"""So many units a layer needs to be called dead or saturated as a whole."""

SPARSE = 1e-3
"""A unit that fires like its living neighbours is silent less often than this."""

MOSTLY = 0.95
"""A unit is saturated if it is on so many of the examples."""

ONE_HOT = 0.9
"""Share of saturated rows of a softmax."""

FEWEST_ROWS = 32
FEWEST_KEYS = 4

PAGES = (
    Page(
        "dead-units",
        "Units of an activation function never fire",
        Severity.WARNING,
        "A unit that is flat on every example passes nothing on and gets no "
        "gradient: it stays dead. Zeros alone are no sign of it: a healthy relu is "
        "zero on half of its examples or more, only not always on the same units.",
        "A unit is silent if it was active on no example. Two conditions: silence "
        "is no sparsity, that is, units firing as often as the median living unit "
        f"would be silent on all n examples with a probability of {SPARSE:g} or "
        "less, (1 - p)^n; and so many silent units are no accident of "
        "initialisation, that is, the chance of them if each unit were silent with "
        f"probability 1/2 is {RAREST:g} or less. Or: all of {FEWEST_UNITS} or more "
        f"units are silent on {FEWEST_EXAMPLES} examples or more. A layer with half "
        "or more of its units silent that does not meet this is mentioned (info), "
        "as is an activation that no layer follows.",
        "With random weights, a unit is silent on a whole batch with probability "
        "1/2 at most, however alike the examples are, since the opposite weights "
        f"make it fire: so at most {RAREST:g} for each layer and batch. {CONTROLS}"
        ".",
        (
            "Lower the learning rate, and look for a large negative bias.",
            "Check the scale of the layer's input and its initialiser.",
            "Use an activation with a slope everywhere (gelu, silu, leaky relu).",
        ),
        "Few dead units among many; units that other examples would wake. Positions "
        "of one image or text count as examples.",
    ),
    Page(
        "saturated-units",
        "Units of a bounded activation function are saturated",
        Severity.WARNING,
        "Where tanh or sigmoid is flat, the slope is next to zero: the layers "
        "before get no gradient through these units.",
        "Only functions that are flat on both sides, where the slope is below a "
        "tenth of the steepest (tanh beyond 0.95). A unit is saturated if it is on "
        f"{MOSTLY:.0%} of its examples or more. So many saturated units must have a "
        f"chance of {RAREST:g} or less if each unit were saturated with probability "
        f"1/2; or all of {FEWEST_UNITS} or more units are, on {FEWEST_EXAMPLES} "
        "examples or more. An activation that no layer follows is mentioned only "
        "(info): a trained classifier saturates it.",
        "At initialisation a tanh of a unit-variance input is saturated on 7 % of "
        "its examples. A trained network that saturates the gates of more than half of "
        f"its units on purpose would fire. {CONTROLS}.",
        (
            "Check the scale of the layer's input: normalise it.",
            "Use a smaller initialiser for the weights before it, or a lower "
            "learning rate.",
            "Put a normalisation before the activation.",
        ),
        "Layers of fewer than four units.",
    ),
    Page(
        "saturated-softmax",
        "A softmax puts nearly all weight on one entry in nearly every row",
        Severity.WARNING,
        "A one-hot softmax passes almost no gradient to its scores: attention or "
        "routing cannot change its choice any more.",
        "A row is saturated if its largest probability is above 0.99. At least "
        f"{ONE_HOT:.0%} of {FEWEST_ROWS} rows or more are, over {FEWEST_KEYS} or "
        "more entries. Rows that have a single entry to choose from do not count: all "
        "others are at the lowest score of the softmax, and that is -inf or "
        "-1e4 or less. A softmax of a matrix is the output of a classifier or a "
        "router, and only mentioned (info).",
        "At initialisation scores are of order one and hardly any row is saturated. "
        f"{CONTROLS}, with causal masks and padding.",
        (
            "Divide the scores by the root of the head's width, or normalise "
            "queries and keys.",
            "Lower the learning rate of the query and key weights.",
        ),
        "A softmax that is never formed, as in a fused attention kernel. Masks above "
        "-1e4 are taken for scores, and so are the higher ones of two masks.",
    ),
)
