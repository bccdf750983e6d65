"""Pages on losses that ask for something else than the targets."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "negated-loss",
        "The loss is minus the one that is meant",
        Severity.ERROR,
        "Steps that lower it make the answers worse, without a bound. The loss falls, "
        "and a training looks well for as long as nobody looks at the answers.",
        "Of two batches, before any step, minus the loss is recognised by its value as "
        "a cross entropy, a squared or an absolute error of `predict_fn` and "
        "`targets`.",
        "Not on 19 healthy trainings, and never where the loss is positive.",
        (
            "Turn the sign around: the logarithm of a probability is negative.",
            "To maximise a score, give its negative as the loss.",
        ),
        "Losses of other forms, and the sign of one of several terms.",
    ),
    Page(
        "unused-targets",
        "The gradient does not depend on the targets",
        Severity.ERROR,
        "Nothing of the targets is learned: the loss leaves them out, compares the "
        "outputs with themselves, or holds them in a term that no parameter moves.",
        "The gradient of a batch, and of the batch with the target of the first "
        "example in place of all: they differ by less than a millionth of its norm. "
        "If the loss is the same too, and `targets` was not given, it is only "
        "mentioned (info): a loss of the inputs alone may be given pairs.",
        "Not on 19 healthy trainings.",
        (
            "Look where the targets enter the loss, and what is differentiated there.",
            "An error without a square or an absolute value has no minimum.",
            "If there are none, give batches that are no pairs.",
        ),
        "Targets that enter, and do not belong to their inputs: see targets-unrelated.",
    ),
    Page(
        "uncounted-examples",
        "Most examples of a batch do not count",
        Severity.WARNING,
        "The gradient is that of a few examples: the others cost time and teach "
        "nothing. A minimum or maximum in place of a mean, or an index that takes the "
        "first row, looks like this.",
        "Another example of the first batch, with another target, takes the place of "
        "up to 32 examples, one at a time: less than half of them change the gradient "
        "at all.",
        "Not on 19 healthy trainings. Losses that choose the hardest examples on "
        "purpose, and batches of which most rows are padding, fire.",
        (
            "Look how the losses of the examples become one number: take the mean.",
            "Look for an index into the axis of the examples.",
        ),
        "Examples that do not count beside a normalisation over the batch: they count "
        "in its averages.",
    ),
    Page(
        "visible-target",
        "A causal model is shown what it should predict",
        Severity.ERROR,
        "It learns to copy an input that it sees already. Its loss becomes very small, "
        "and what it generates repeats itself.",
        "Every target of the first batch is the input at its own position, of a model "
        "that is declared causal and a loss that is recognised as one of outputs and "
        "targets position by position. The input at the position before is a warning.",
        "Not on 19 healthy trainings. A task of repeating each input one step later "
        "fires.",
        (
            "Shift them apart: inputs are tokens[:, :-1], targets are tokens[:, 1:].",
            "See whether a window of a series ends before the value it should predict.",
        ),
        "Targets that are computed from inputs the model sees, or are seen earlier.",
    ),
)
