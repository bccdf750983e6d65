"""Pages on the gradient of a leaf."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.pages.measured import AUDITS, CONTROLS
from jaxdebug.findings.severity import Severity

FROZEN = "If it is meant to be frozen, leave it out of the parameters."

PAGES = (
    Page(
        "wrong-gradient",
        "A gradient disagrees with finite differences",
        Severity.ERROR,
        "The optimiser does not descend the loss. Training may still seem to work, "
        "but to something else than what the loss says.",
        "The slope along one random direction, by the gradient and by central "
        "differences, both in float64; they differ by more than the error bar of "
        "the differences, near several points.",
        "None on the healthy models of the tests; a leaf behind noise, kinks "
        "everywhere or a loop with a tolerance is inconclusive instead.",
        (
            "Compare the layers after this parameter with their formulas.",
            "If the deviation is meant (stop_gradient on part of the loss, "
            "straight-through, clipping, reversal), leave that parameter out of the "
            "audit.",
        ),
        "An error in few of many elements; directions that were not drawn.",
    ),
    Page(
        "lost-gradient",
        "The gradient is zero, although the loss depends on the parameter",
        Severity.ERROR,
        "The parameter never moves. Something between it and the loss passes values "
        "but no gradient.",
        "The gradient is zero everywhere, and central differences in float64 give a "
        "slope beyond their error bar. A gradient check names the equations that cut "
        "the parameter off in the program, the nearest to it first.",
        "None on the healthy models of the tests; always on parameters that are meant "
        "to be frozen by stop_gradient.",
        (
            "Look for stop_gradient, an integer cast, a rounding or an argmax between "
            "this parameter and the loss.",
            FROZEN,
        ),
        "A gradient lost along one of several paths is a wrong gradient.",
    ),
    Page(
        "nonfinite-gradient",
        "A gradient is NaN or infinite",
        Severity.ERROR,
        "One update with it ruins the parameter, and soon all others.",
        "The gradient in the model's precision and in float64; the message says "
        "whether it is non-finite in both.",
        "Never while the gradient is finite.",
        (
            "Look for a where whose unused branch divides by zero or takes the root "
            "or log of zero: guard the operand, not the result.",
            "Look for a norm, sqrt or arccos at the edge of its domain.",
        ),
        "The operation that made it.",
    ),
    Page(
        "flat-gradient",
        "The gradient is zero, and only large changes change the loss",
        Severity.INFO,
        "Nothing tells the optimiser which way to go: the loss is a staircase in "
        "this parameter.",
        "The gradient and all small central differences are zero, a large "
        "displacement changes the loss.",
        "On healthy models where a hinge or a clip is satisfied by the whole batch.",
        (
            "Look for a rounding, an integer cast or an argmax between this "
            "parameter and the loss: it passes no gradient.",
            "A hinge or a clip that is satisfied by the whole batch does the same.",
        ),
        "Which operation it is, in an audit; a gradient check names it.",
    ),
    Page(
        "no-effect",
        "The loss does not depend on a parameter",
        Severity.INFO,
        "The parameter is not trained by this batch.",
        "The gradient is zero and no displacement changes the loss.",
        "On every parameter behind a zero-initialised layer, and on parts of the "
        "model that this batch does not use.",
        ("Check that the parameter is used, and that what multiplies it is not zero.",),
        "Whether another batch would use it.",
    ),
    Page(
        "zero-gradient",
        "A parameter's gradient is identically zero while others are not",
        Severity.INFO,
        "The parameter does not move on this batch. It may be cut off, or only not "
        "used by the batch. An audit proves a cut from the program: see "
        "severed-parameter.",
        "Every element of the gradient is exactly zero, and that of some other "
        "parameter is not. Leaves of one module, and of modules numbered alike, are "
        "one finding. A leaf whose gradient was not identified is not missing, and "
        "is not reported. If some other parameter (biases aside) is zero and has a "
        "gradient, as a zero-initialised readout has, it is named as the reason.",
        "On every model with a zero-initialised readout at its first step, with "
        "experts that got no token, with frozen parts: therefore never a warning.",
        (
            "Look for stop_gradient, an integer cast, a rounding or an argmax between "
            "this parameter and the loss.",
            "Look for dead units in the layer and for masks that drop all of it.",
            FROZEN,
        ),
        "One batch cannot tell a parameter that is never used from one not used now.",
    ),
    Page(
        "severed-parameter",
        "No derivative of the loss leads to a parameter, whatever the batch",
        Severity.WARNING,
        "The parameter never trains, on no batch. It costs memory, and a part of the "
        "model that was meant to be trained may not be.",
        "The traced gradient is a constant zero: it depends on no input of the "
        "program, so this is a proof and not an observation of one batch. JAX leaves "
        "out all paths behind stop_gradient, roundings, integers, argmax and factors "
        "of zero. Where finite differences show that the loss depends on the "
        "parameter on this batch, it is a lost-gradient (error) instead. Leaves of "
        "one module, and of modules numbered alike, are one finding.",
        f"{AUDITS}: idle experts, rows of an embedding that are not looked up and "
        "dead units have a gradient that other batches can change. A part of the "
        "parameters that is meant to be unused in this loss fires: frozen parts, "
        "running statistics.",
        (
            "Check that the output of this part is used in the loss.",
            "Look for stop_gradient, an integer cast, a rounding or an argmax between "
            "this parameter and the loss.",
            FROZEN,
        ),
        "Gradients that are zero by arithmetic and not by structure, as behind a mask "
        "that is always zero.",
    ),
    Page(
        "stuck-at-zero",
        "A weight matrix is zero and so is its gradient: it cannot leave zero",
        Severity.WARNING,
        "Two layers in a row that are zero keep each other at zero: each multiplies "
        "the other's gradient. Only what comes after them is trained.",
        "All elements of a parameter with at least two axes are zero, all elements "
        "of its gradient are zero, some other gradient is not, and no other zero "
        "parameter (biases aside) has a gradient that would free it at the next "
        "step. Members of a numbered family (`expert_0`, `expert_1`) whose siblings "
        "have a gradient are left out.",
        f"{CONTROLS}, among them zero-initialised "
        "readouts and residual branches, whose gradient or whose neighbour's gradient "
        "is not zero.",
        (
            "Initialise all but the last layer of each branch with random values.",
            "Check that the initialiser is the one that was meant.",
        ),
        "Layers whose gradient was not identified.",
    ),
)
