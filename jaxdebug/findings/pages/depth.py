"""Pages on scales that change from layer to layer, and on the range of a dtype."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.pages.measured import CONTROLS
from jaxdebug.findings.severity import Severity

FEWEST_LAYERS = 5
"""A chain of fewer layers has no slope."""

DECADES = 3.0
"""Change over the whole chain, in powers of ten, beyond the error of the slope."""

ERRORS = 3.0
"""How many standard errors the slope's bound stands off from its estimate."""

_CHAIN = (
    f"Chains of {FEWEST_LAYERS} or more layers of one kind are compared: those whose "
    "paths differ in one number only (`Block_0`, `Block_1`); children of one module "
    "that have names of their own and outputs of one shape, in the program's order; or "
    "the iterations of a scan over stacked parameters."
)
_BOUND = (
    f"The slope of a least-squares line, drawn in by {ERRORS:g} of its standard "
    f"errors, must change the scale by {DECADES:g} powers of ten or more from end to "
    "end, the ends themselves must differ as much, and half of that must "
    "come about with every step the median one: a change that one layer makes is no "
    "slope. Nothing depends on the scale of the loss."
)
_QUIET = (
    f"{CONTROLS}, among them residual, normalised, "
    "zero-initialised, narrow and many-headed ones."
)
_REMEDIES = (
    "Use residual connections, or a normalisation in each layer.",
    "Initialise for the activation function: He for relu, LeCun or Glorot for tanh, "
    "selu with LeCun normal.",
)

LEAST_EXPONENT = -19
"""A float16 below 2^-19 has at most five significant bits left."""

HEADROOM = 4.0
"""How close to its dtype's largest number a value may come, as a factor."""

FEWEST_ELEMENTS = 64

HALF = 0.5
"""Share of non-zero elements too small for their dtype."""

PAGES = (
    Page(
        "vanishing-gradient",
        "Gradients shrink from layer to layer on the way back",
        Severity.WARNING,
        "The first layers get a tiny part of the gradient that the last ones get, "
        "and hardly learn. What they pass on stays as it was initialised.",
        f"{_CHAIN} Judged is log10 of the norm of the cotangents of their outputs, "
        f"or of their gradients where no cotangents are known, over depth. {_BOUND}",
        _QUIET,
        (
            *_REMEDIES,
            "Replace sigmoid and tanh by an activation that does not saturate.",
            "Check saturated and dead units in the chain: they pass no gradient.",
        ),
        "Differently named layers of several widths, a single layer that cuts the "
        "gradient, and recurrence over time.",
    ),
    Page(
        "exploding-gradient",
        "Gradients grow from layer to layer on the way back",
        Severity.WARNING,
        "The first layers dominate the global norm: clipping leaves the others with "
        "next to nothing, and without clipping the first layers diverge.",
        f"{_CHAIN} Judged is log10 of the norm of the cotangents of their outputs, "
        f"or of their gradients where no cotangents are known, over depth. {_BOUND}",
        _QUIET,
        (
            *_REMEDIES,
            "Scale each residual branch down by the root of the number of blocks.",
        ),
        "Differently named layers of several widths, growth over training steps, and "
        "recurrence over time.",
    ),
    Page(
        "activation-drift",
        "Activations grow or shrink from layer to layer",
        Severity.WARNING,
        "The last layers work at another scale than the first. Shrinking signals "
        "drown in biases, growing ones saturate and overflow in half precision.",
        f"{_CHAIN} Judged is log10 of the root mean square of their outputs over "
        f"depth. {_BOUND}",
        _QUIET,
        _REMEDIES,
        "Differently named layers of several widths, and drift over training steps.",
    ),
    Page(
        "overflow-risk",
        "Values are close to the largest number of their dtype",
        Severity.WARNING,
        "A little growth makes them infinite, and the loss NaN.",
        "The largest finite magnitude of a layer's output, cotangent, gradient or "
        f"update is within a factor of {HEADROOM:g} of the largest number of its "
        "dtype. In practice this concerns float16 and float8.",
        f"{CONTROLS}. Layers that return masks filled "
        "with the largest finite number would fire.",
        (
            "Compute this layer in bfloat16 or float32.",
            "In the backward pass, lower the loss scale.",
            "Look for a sum over a long axis in half precision: accumulate in float32.",
        ),
        "Values inside the layer, such as the sum of squares of a normalisation.",
    ),
    Page(
        "underflow-risk",
        "Gradients are too small for float16",
        Severity.WARNING,
        "Below the smallest normal number digits are lost, and then the value: the "
        "layers before get a coarse gradient, or zero.",
        "Of cotangents and gradients in float16 with at least 64 non-zero elements: "
        f"at least {HALF:.0%} of the non-zero elements are below "
        f"2^{LEAST_EXPONENT}, by the histogram; without one, the root mean square "
        f"is below 2^{LEAST_EXPONENT}. bfloat16 has the range of float32.",
        f"{CONTROLS}, which include float16 with "
        "a loss scale. Without a loss scale it fires on sound models whose loss is a "
        "mean over many elements: that is what it is for.",
        (
            "Scale the loss (`flax.training.dynamic_scale`, or a fixed factor that "
            "the gradients are divided by), or use bfloat16.",
        ),
        "Elements that became zero already, and the share below the threshold "
        "without a histogram.",
    ),
)
