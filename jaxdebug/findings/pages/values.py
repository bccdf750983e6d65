"""Pages on values that are not finite."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "nonfinite-data",
        "The batch holds NaN or infinite values",
        Severity.ERROR,
        "One such value makes the loss and every gradient of the batch non-finite, "
        "whatever the model does.",
        "Every element of every inexact field of the batch is looked at. NaN is an "
        "error. Infinities are only mentioned (info), because masks use them. "
        "`check_data` looks at every row of every split, and takes infinities for a "
        "mask only where all finite values of the column are one.",
        "Never on finite data; info on every batch with an infinite mask.",
        (
            "Find the record behind this index and what wrote it.",
            "Check the preparation for a division by a zero scale, or a log of zero.",
        ),
        "In an audit, batches other than the one that was given.",
    ),
    Page(
        "nonfinite-parameter",
        "A parameter holds NaN or infinite values",
        Severity.ERROR,
        "The model is lost: no further step makes the parameter finite again.",
        "Every element of every inexact parameter is looked at.",
        "Never on finite parameters.",
        (
            "Start from parameters before they became non-finite.",
            "Check the initialiser and the checkpoint they come from.",
        ),
        "When it became so.",
    ),
    Page(
        "nonfinite-loss",
        "The loss is not finite",
        Severity.ERROR,
        "The gradient of such a loss means nothing, and one update with it ruins the "
        "parameters.",
        "The loss in the model's own precision; the first layer in the order of the "
        "program whose output is not finite is named.",
        "Never while the loss is finite.",
        (
            "Look for log, sqrt or division at zero, or exp of a large value, "
            "in that layer.",
            "If it is an overflow, compute that part in float32.",
        ),
        "The operation inside the layer.",
    ),
    Page(
        "nonfinite-layer",
        "A layer makes non-finite values out of finite ones",
        Severity.ERROR,
        "Everything computed from them is non-finite, unless something selects it "
        "away.",
        "The first layer in the order of the program whose output holds a non-finite "
        "value, while parameters are finite. It is an error if a gradient or an "
        "update is not finite either; otherwise the values were masked or selected "
        "away, or the program has no gradients to tell, and it is only mentioned "
        "(info).",
        "As an error never while all gradients and updates are finite. As info on "
        "every layer that returns scores masked with -inf.",
        (
            "Look for log, sqrt or division at zero, or exp of a large value, in "
            "that layer.",
            "If whole rows are masked with -inf, subtracting their maximum is "
            "inf - inf: mask with a large finite number, or keep one entry.",
            "If it is an overflow, compute that part in float32.",
        ),
        "NaN and infinities are not told apart, nor the operation inside the layer.",
    ),
    Page(
        "nonfinite-cotangent",
        "The backward pass becomes non-finite although the forward pass is finite",
        Severity.ERROR,
        "A derivative is infinite or 0 * inf at a point where the value is finite. "
        "All parameters before it get a gradient that is not finite.",
        "The first layer, in the order of the backward pass, whose cotangent holds a "
        "non-finite value, while every output is finite. It is an error if a "
        "gradient is not finite either; otherwise the value was selected away (info).",
        "As an error never while all gradients are finite.",
        (
            "Look after this layer for a where whose unused branch divides by zero "
            "or takes the root or log of zero: guard the operand, not the result.",
            "Look for a norm, sqrt or arccos at the edge of its domain.",
            "In float16, look for an overflow: lower the loss scale.",
        ),
        "The operation; layers whose cotangent was not identified.",
    ),
    Page(
        "nonfinite-operation",
        "An operation makes NaN or an infinity that reaches an output",
        Severity.ERROR,
        "The output is lost: a loss, a gradient or a state that holds it spoils every "
        "step after it.",
        "From an output that is NaN, the operands that bring it are followed back, by "
        "running each operation again, to the one that makes NaN of operands that have "
        "none, and from infinities that did it to the one that makes those of finite "
        "numbers. Infinities alone are followed where no output is NaN.",
        "Never while every output is finite. Constants, masks with -inf and infinities "
        "that an input brings and nothing computes with are not reported.",
        (
            "Guard the operand that is at fault, not the result: a where keeps the "
            "derivative of the branch that is not taken.",
            "Add a small number inside a log or root and to a divisor.",
            "If it is an overflow, compute that part in float32.",
        ),
        "What happens inside kernels and callbacks; what a mutable reference held.",
    ),
    Page(
        "nonfinite-input",
        "An input holds a NaN or infinity that reaches an output",
        Severity.ERROR,
        "The function itself is not at fault: what it was given is not finite already.",
        "What an output that is NaN depends on is followed back, element by element, "
        "to an input that holds it.",
        "Never while the inputs that outputs depend on are finite.",
        (
            "Find the record behind this index and what wrote it.",
            "If it is a parameter or a state, look at the step that made it.",
        ),
        "When a state became so.",
    ),
    Page(
        "nonfinite-step",
        "A step of the training made a value that is not finite",
        Severity.ERROR,
        "From this step on parameters may be NaN, and nothing is learned any more. "
        "Only a state from before can be trained further.",
        "Scalars among the results of every step, and the parameters at sampled steps. "
        "The steps since the last snapshot are run again; the first whose results are "
        "not finite although its arguments are is taken apart by locate_nonfinite. "
        "What is infinite as it was meant is none.",
        "Never while all of that is finite.",
        (
            "Look for log, sqrt or division at zero, or exp of a large value.",
            "Go back to a state from before this step.",
            "Lower the learning rate, or clip the gradient, if values grew before.",
        ),
        "Incidents after the third. What a step is given that was changed or donated "
        "since cannot be replayed; then the operation is not known.",
    ),
    Page(
        "skipped-step",
        "A step was passed over because something in it was not finite",
        Severity.WARNING,
        "The state is as it was, and the training goes on; what the batch had to teach "
        "is lost. Many in a row mean that something is wrong with the model.",
        "What optax.apply_if_finite and optax.skip_not_finite count is read at every "
        "step. One at which it rises, and one with a scalar that is not finite, is run "
        "again and taken apart by locate_nonfinite. Without a counter a step was "
        "passed over if its state is finite and every trained parameter is as it was.",
        "Never while the counters stand still and the scalars are finite.",
        (
            "Look for log, sqrt or division at zero, or exp of a large value.",
            "Look at the batch of this step.",
        ),
        "Steps that a training skips by means of its own; incidents after the third.",
    ),
)
