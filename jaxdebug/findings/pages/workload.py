"""Pages on a workload as a whole: what must hold before anything can be examined."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "cannot-be-called",
        "A function cannot be called on the batches, or a split cannot be read",
        Severity.ERROR,
        "Nothing that needs it can be judged: such checks are inconclusive.",
        "Each split is read up to its first batch, `train` twice, and each function is "
        "traced, as `jax.jit` does, on the first training batch.",
        "Never where the functions can be jitted and the splits be read twice.",
        (
            "Call it yourself: loss_fn(params, batch, *extra), with the first batch.",
            "Give what else it takes as `extra`, and `has_aux=True` if it returns "
            "(loss, aux).",
            "Make batches of NumPy arrays: lists and tensors of other libraries are "
            "none; leave out what the loss does not take, such as names.",
            "Take `float(...)` and `if` on values of arrays out of what is jitted.",
        ),
        "What raises only later, on other batches, or in the gradient.",
    ),
)
