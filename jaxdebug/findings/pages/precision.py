"""Pages on what a model's own precision loses, and where."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

_JUDGED = (
    "The function and its gradient in their own dtypes against float64, equation by "
    "equation. An output or a gradient whose relative error is above the square root "
    "of its narrowest dtype's unit of rounding (half of the digits) is followed back "
    "to the operation at which the relative error grows most, at least four times. "
    "It is only mentioned (info) while the error is below a tenth."
)
_HEALTHY = (
    "No warning on the healthy float32, bfloat16 and float16 models of the tests, "
    "and none on the twins of the planted faults."
)
_UNSEEN = (
    "Elements that are small beside the others of their array; batches other than "
    "this one. Where XLA fuses operations it may keep more digits than the program "
    "says."
)

PAGES = (
    Page(
        "value-overflow",
        "Values become infinite that float64 holds",
        Severity.ERROR,
        "An output or a gradient is infinite or NaN, and one update with it ruins the "
        "parameters.",
        "The first operation whose result is not finite although that of float64 on "
        "the same operands is; it is an error where it reaches an output or a "
        "gradient, and is not mentioned where it does not.",
        "Never while all outputs and gradients are finite.",
        (
            "Compute this part in float32 or bfloat16, which reach to 1e38.",
            "Scale down what comes in: a mean for a sum, a smaller loss scale.",
        ),
        "Values that come near the limit in this batch and pass it in another: "
        "overflow-risk of an audit.",
    ),
    Page(
        "value-underflow",
        "Values fall below the smallest numbers of their dtype",
        Severity.WARNING,
        "They become zero, or keep few digits: what learns from them learns nothing or "
        "noise.",
        f"{_JUDGED} An underflow is told by most of the error coming from elements "
        "below the smallest normal number.",
        _HEALTHY,
        (
            "In float16, multiply the loss by a scale and divide the gradients by it, "
            "or use bfloat16.",
            "Compute this part in float32.",
        ),
        _UNSEEN,
    ),
    Page(
        "catastrophic-cancellation",
        "Nearly equal numbers are subtracted, and the digits they share are lost",
        Severity.WARNING,
        "The difference keeps the rounding errors of both numbers and few of their "
        "digits: what is computed from it is noise.",
        f"{_JUDGED} A cancellation is told by the operation adding or subtracting.",
        _HEALTHY,
        (
            "Rewrite the formula so that the difference is taken first: centre before "
            "squaring, use log1p, expm1, logsumexp or jax.nn.softmax.",
            "Compute the difference, and all that comes into it, in float32 (of "
            "float32, in float64).",
        ),
        _UNSEEN,
    ),
    Page(
        "lossy-accumulation",
        "A long sum is rounded at every term",
        Severity.WARNING,
        "Once the sum is large, small terms change nothing: it stops growing.",
        f"{_JUDGED} An accumulation is told by a sum, in one operation or in a loop, "
        "of terms that do not cancel.",
        _HEALTHY,
        (
            "Keep the running sum in float32 and cast the result.",
            "Sum with jnp.sum over the whole array, which adds in float32.",
        ),
        _UNSEEN,
    ),
    Page(
        "lossy-cast",
        "A cast cuts off digits that are needed later",
        Severity.WARNING,
        "What follows is computed with more digits, but those of the operand are gone.",
        f"{_JUDGED} A cast is told by the error being made at a conversion to a "
        "narrower dtype, with nothing in between computed in that dtype.",
        _HEALTHY,
        (
            "Leave out the cast, or cast after the operation that needs the digits.",
            "Keep positions, times and indices in float32 or as integers.",
        ),
        _UNSEEN,
    ),
    Page(
        "ill-conditioned-operation",
        "An operation turns a rounding error of its operand into a large one",
        Severity.WARNING,
        "A log near one, a sine of a large angle, a solve of a nearly singular system: "
        "the result has fewer digits than the operand.",
        f"{_JUDGED} So are called operations that neither add nor keep relative "
        "errors as they are.",
        _HEALTHY,
        (
            "Rewrite the formula around the point: log1p near one, a reduced angle, a "
            "regularised matrix.",
            "Compute operand and operation in float32 (of float32, in float64).",
        ),
        _UNSEEN,
    ),
    Page(
        "flipped-decisions",
        "Rounding decides comparisons, orders or maxima",
        Severity.INFO,
        "Near a tie the working precision takes another branch, expert or maximum "
        "than exact arithmetic would. Where many do, results depend on the hardware.",
        "The float64 result with the decisions of the function against the one with "
        "its own: more than a tenth of the norm.",
        "Only mentioned (info), never a warning.",
        (
            "Compute what is compared, such as the router's scores, in float32.",
            "If the result must not depend on ties, break them on purpose.",
        ),
        "Which of the decisions changes most.",
    ),
)
