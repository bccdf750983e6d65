"""Pages on what is said of a program without running it."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PROGRAMS = "docs/lint.md lists every warning on the modules and losses of the libraries"

PAGES = (
    Page(
        "unguarded-log",
        "A logarithm of values that come to exactly 0",
        Severity.WARNING,
        "The loss becomes infinite, and NaN as soon as that is multiplied by 0, on "
        "the first batch on which a probability rounds to 0.",
        "The range of the operand, worked out from how it is computed: it contains 0, "
        "and an operation before it is known to give exactly that, as a softmax, a "
        "sigmoid, a relu or a square does. Of log1p the point is -1, of atanh and "
        "erf_inv -1 and 1.",
        "Never where the range leaves the point out: `x + eps`, `maximum(x, eps)`, "
        "`clip`, exponentials less their maximum, a where over a safe operand. A log "
        "of an argument itself is info: healthy programs hand in positive data. "
        f"{PROGRAMS}.",
        (
            "Compute the loss from logits: `jax.nn.log_softmax`, `jax.nn.log_sigmoid`, "
            "`optax.softmax_cross_entropy`, `optax.sigmoid_binary_cross_entropy`.",
            "Else write `jnp.log(jnp.maximum(x, eps))`, with an eps that the dtype "
            "holds.",
        ),
        "Values that come near 0 by training; ranges that only the data gives.",
    ),
    Page(
        "unguarded-division",
        "A division by values that come to exactly 0",
        Severity.WARNING,
        "One such row makes the loss infinite, or NaN where 0 is divided by 0, as a "
        "norm or a standard deviation of equal numbers does.",
        "The range of the divisor contains 0, and it is known to come there: squares "
        "add up to 0 where all are 0, a relu or a clip gives 0. So for rsqrt and "
        "negative powers. Sums of masks and counts are info.",
        "Never where the range of the divisor leaves 0 out, and not where a where "
        "takes another branch at 0. "
        f"{PROGRAMS}.",
        (
            "Add eps inside the root, `jax.lax.rsqrt(var + eps)`, or to the divisor.",
            "Divide by `jnp.maximum(x, eps)`, and by `jnp.maximum(count, 1)`.",
        ),
        "Divisors that are arguments, or differences, of which no range is known.",
    ),
    Page(
        "unguarded-root",
        "The derivative of a root or norm where it is exactly 0",
        Severity.WARNING,
        "The value is right and the gradient NaN: infinity times the 0 inside. One row "
        "of zeros, or two equal points of a distance, spoils every parameter.",
        "A derivative is taken through sqrt, a norm, a power below 1, or arccos; the "
        "range of the operand contains the point at which it is infinite, and it is "
        "known to come there: squares that add up to 0, a relu, a clip.",
        "Never where nothing is differentiated through it, and not where the range "
        "leaves the point out, as `sqrt(x + eps)` does. "
        f"{PROGRAMS}.",
        (
            "Write `jnp.sqrt(jnp.sum(x**2) + eps)`, or `optax.safe_norm`.",
            "Or guard the operand: `safe = jnp.where(s > 0, s, 1.0)`, then "
            "`jnp.where(s > 0, jnp.sqrt(safe), 0.0)`.",
            "Use the squared norm if only the order of distances matters.",
        ),
        "Norms of parameters alone: weights are not taken to be all zero.",
    ),
    Page(
        "where-nan-branch",
        "A where leaves out a bad value and keeps its derivative",
        Severity.WARNING,
        "The loss is finite and its gradient NaN: a where multiplies the derivative of "
        "the branch that is not taken by 0, and 0 times infinity is NaN.",
        "A derivative is taken through log, sqrt, a division or a power whose operand "
        "may come to its edge; a where behind it asks for that operand and leaves the "
        "edge out; nothing before it does.",
        "Never where the operand is made safe by a where of its own, and not where "
        f"nothing is differentiated through it. {PROGRAMS}.",
        (
            "Guard the operand: `safe = jnp.where(x > 0, x, 1.0)`, then "
            "`jnp.where(x > 0, jnp.log(safe), 0.0)`.",
            "For p * log(p) use `jax.scipy.special.xlogy` or `entr`.",
        ),
        "Wheres that leave out more than one value by a condition of another array.",
    ),
    Page(
        "double-softmax",
        "A softmax of probabilities",
        Severity.WARNING,
        "A loss that takes logits is given probabilities. They lie between 0 and 1, so "
        "the largest probability that comes out is small and the gradient weak: the "
        "network learns slowly and never gets sure.",
        "The scores of a softmax, log-softmax or cross entropy are, unchanged, what a "
        "softmax gave; or those of a log-sigmoid what a sigmoid gave.",
        f"Never unless both stand in the program. {PROGRAMS}.",
        ("Give the loss the logits: leave the first softmax or sigmoid out.",),
        "Probabilities that are changed in between; softmaxes in kernels.",
    ),
)
