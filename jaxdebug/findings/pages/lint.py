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
    Page(
        "batch-mixing",
        "Numbers of different examples are mixed",
        Severity.WARNING,
        "What the model says of an example depends on which others are in its batch, "
        "and parts of examples are taken for parts of others.",
        "The batch is followed from the inputs. A reshape that cuts examples in pieces "
        "of unequal place, or that gives an array the shape of its transpose; a "
        "softmax over the batch, where no other axis of the array is a batch too.",
        "Not on means over the batch, batch norm or contrastive losses, whose scores "
        f"have the batch along two axes. {PROGRAMS}.",
        (
            "Use `jnp.transpose` or `jnp.moveaxis` to move an axis.",
            "Say the axis of the classes in a softmax: `axis=-1`.",
        ),
        "Where no batch is known: it takes two arrays with one first axis besides the "
        "parameters. Mixing by products, shifts and sorting along the batch.",
    ),
    Page(
        "accidental-broadcast",
        "Every example meets every other",
        Severity.WARNING,
        "An (N, 1) and an (N,) make an (N, N): the loss compares every prediction with "
        "every target, and the model learns to predict the mean.",
        "One operand has the batch along one axis and the other along another; one has "
        "an axis of length 1 behind it, and the other one was not given any.",
        "Not where both were given an axis, as in `a[:, None] - b[None, :]`. "
        f"{PROGRAMS}.",
        (
            "Take the last axis away: `predictions.squeeze(-1)` or `[:, 0]`.",
            "Or give the targets one: `targets[:, None]`.",
        ),
        "Arrays whose batch is not known.",
    ),
    Page(
        "linear-stack",
        "Layers with no activation between them",
        Severity.WARNING,
        "Two linear layers in a row are one: the network has their parameters and not "
        "their power.",
        "Between two products with weights nothing but sums, scaling, dropout and "
        "reshapes, and the width between them is no bottleneck. A warning if the "
        "whole network is linear, else info.",
        f"Not on low-rank factors, separable convolutions and embeddings. {PROGRAMS}.",
        (
            "Put an activation between the layers: `nn.relu`, `nn.gelu`.",
            "If a linear map is meant, one layer is enough.",
        ),
        "Layers with a normalisation between them.",
    ),
    Page(
        "clamped-index",
        "An index is outside of its axis",
        Severity.WARNING,
        "JAX raises no error: reading takes the last entry or NaN, and writing writes "
        "somewhere else or nothing.",
        "The range of the index, where it is a constant or counted by the program, "
        "reaches beyond the axis.",
        "Never where indices come from data: `check_data` and the audit look at those. "
        f"{PROGRAMS}.",
        (
            "Make the table as long as the longest sequence.",
            "Look for an offset by one.",
        ),
        "Indices that come from the data.",
    ),
    Page(
        "narrowing-cast",
        "A cast to a dtype that does not hold the number",
        Severity.WARNING,
        "Numbers become infinite, wrap around, or positions become equal to their "
        "neighbours.",
        "The range of what is cast, where its ends are written or counted in the "
        "program: an end overflows, or integers lie beyond what the dtype tells apart "
        "(2048 in float16, 256 in bfloat16).",
        f"Never on values of which only data decides. {PROGRAMS}.",
        (
            "Compute positions and angles in float32 and cast the result.",
            "Mask with `jnp.finfo(dtype).min` of the dtype of the scores.",
        ),
        "What check_precision finds by running: digits that data loses.",
    ),
    Page(
        "missed-donation",
        "A train step keeps its old state beside the new one",
        Severity.INFO,
        "Parameters and optimiser state are in memory twice during the step.",
        "A jitted function hands on arrays of its arguments as new values of the same "
        "shapes, does not donate them, and they are 1 MiB or more.",
        "On every step without donate_argnums: therefore info.",
        ("Give `jax.jit(step, donate_argnums=0)` and forget the old state.",),
        "Donation decided outside of the function that was given.",
    ),
    Page(
        "state-changes-type",
        "A state comes out with another type than it went in with",
        Severity.INFO,
        "The second call of the step is compiled again, and a loop over it by "
        "`lax.scan` is refused.",
        "Leaves of the state whose dtype, shape or weak type differs from that of "
        "their new value.",
        "Where a counter begins as a Python number and comes out as an array: "
        "therefore info.",
        ("Begin with `jnp.zeros((), jnp.int32)` or `jnp.asarray(value, dtype)`.",),
        "Static arguments that change from call to call.",
    ),
)
