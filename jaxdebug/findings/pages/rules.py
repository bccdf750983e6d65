"""Pages on custom derivative rules, and on what a gradient's precision costs."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "wrong-rule",
        "A custom derivative rule is not the derivative of its function",
        Severity.ERROR,
        "Every gradient that goes through the function is wrong, whatever the rest "
        "of the model does.",
        "At the operands of each call, in float64: the pullback by the rule against "
        "that of the function's body without custom rules, coordinate by coordinate; "
        "whether the pullback is linear; the value that the rule computes. At a kink "
        "the rule's slope must lie between the one-sided slopes.",
        "None on the healthy models of the tests; always on rules that are meant to "
        "differ, until they are named as expected.",
        (
            "Compare the rule with the formula of the function, at the operand that "
            "is named.",
            "If the rule is meant to differ (straight-through, clipping, reversal), "
            'name it: check_gradients(..., expected=("name",)).',
        ),
        "Operands that no call of this batch had; a rule that a derivative inside the "
        "function has used already.",
    ),
    Page(
        "modes-disagree",
        "Forward and reverse mode give different derivatives",
        Severity.ERROR,
        "One of the two is wrong, or not finite where the other is: what transforms "
        "the function by the other mode (`jax.jvp`, `jax.hessian`) goes wrong.",
        "The slope along one direction by `jax.jvp` and by the gradient, both in "
        "float64; functions with a custom_vjp have no forward mode and are left out.",
        "None on the healthy models of the tests.",
        (
            "Look for a root, a log or a division at the edge of its domain, whose "
            "operand a relu or a where holds there: guard the operand.",
            "Look for a custom linear solve whose transposed solve is another one.",
        ),
        "Directions other than the one that was drawn.",
    ),
    Page(
        "nondeterministic-gradient",
        "Two runs or two traces of a function differ",
        Severity.WARNING,
        "Runs cannot be repeated, and a gradient may belong to another function than "
        "the value beside it. What a difference shows may be noise, so verdicts are "
        "inconclusive.",
        "The compiled gradient run twice on the same arguments: they differ by more "
        "than 16 units in the last place. If a verdict is no pass: the numbers that "
        "two traces of the function captured.",
        "None on the healthy models of the tests. Sums in another order, as of atomics "
        "on an accelerator, are within the limit.",
        (
            "Draw random numbers with a jax.random key that is an argument.",
            "Look for callbacks that read a state, a clock or a random generator.",
        ),
        "Jitter that two runs do not show; traces that differ where all verdicts pass.",
    ),
    Page(
        "eager-disagrees",
        "A gradient is another one without jit",
        Severity.WARNING,
        "What is seen in a debugger, or under `jax.disable_jit`, is not what trains; "
        "one of the two is not the function that is meant.",
        'With `budget="exhaustive"`: the gradient operation by operation against the '
        "compiled one. They differ by more than a thousand units in the last place and "
        "ten times what the compiled one is off from float64.",
        "None on the healthy models of the tests.",
        (
            "Look for Python code that asks whether it is traced, reads a state, or "
            "keeps what it made in an earlier trace.",
            "Draw random numbers with a jax.random key that is an argument.",
            "If the function is pure, compare its parts with and without jit: the "
            "compiler may be wrong.",
        ),
        "Differences within the rounding of the dtype: in bfloat16 all but gross ones.",
    ),
    Page(
        "precision-loss",
        "A gradient loses its digits in the working precision",
        Severity.WARNING,
        "The gradient's logic is right, but what the optimiser is given is far from "
        "it.",
        "The gradient in the model's own precision against the same gradient in "
        "float64: the norm of the difference is more than a tenth of the norm, in a "
        "leaf whose gradient is not negligible.",
        "None on the healthy float32 and bfloat16 models of the tests.",
        (
            "Ask jaxdebug.check_precision which operation loses them.",
            "Keep sums, means, norms and the loss in float32.",
            "Look for a difference of nearly equal numbers in front of this "
            "parameter's layer.",
        ),
        "Which operation loses them.",
    ),
)
