"""Pages on short trainings: whether a model can learn at all."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "cannot-overfit",
        "The model cannot learn one batch by heart",
        Severity.ERROR,
        "A model with more parameters than a batch has numbers can be trained to "
        "answer that batch. One that cannot has a mistake in its loss, its gradient or "
        "its optimiser, or is cut off from its inputs, and more data will not help.",
        "Up to 400 steps on one batch with your optimizer. The last loss is compared "
        "with that of the same batch with inputs of zero, which is what the best "
        "constant comes to; a model that comes to less than 2 % below it, and whose "
        "loss does not fall any more, has learned nothing. Half of it is a pass; "
        "between the two nothing is decided. Of one example the loss at the start "
        "takes the place of the constant's.",
        "Never, as long as the learning rate moves the loss at all: one that falls "
        "slowly is undecided.",
        (
            "Look at the checks of gradients and parameters first: what they name "
            "comes before this.",
            "Try ten times the learning rate, and a tenth.",
            "If the loss depends on no input, look where the batch enters the model.",
        ),
        "A mistake that leaves enough of the model to learn one batch.",
    ),
    Page(
        "loss-does-not-fall",
        "The loss of the batches that were trained on did not fall",
        Severity.ERROR,
        "The steps of the optimiser do not lead downhill: the training will not work "
        "as it stands.",
        "The losses of the batches are compared before and after the steps, with the "
        "same parameters, batch by batch: the mean difference beside four of its "
        "standard errors.",
        "Never while each batch's loss falls, however little.",
        (
            "If the loss is as it was, no update reaches the parameters: look at the "
            "learning rate, its schedule, and whether updates are applied.",
            "If it rose, try a tenth of the learning rate, and look at the sign of the "
            "update.",
        ),
        "Losses that fall and yet do not reach what they should.",
    ),
    Page(
        "small-steps",
        "Steps a hundred times as large would lower the loss far more",
        Severity.WARNING,
        "The parameters hardly move: the training looks stuck, and takes a hundred "
        "times as long as it could.",
        "30 steps with the optimiser's updates multiplied by 1e-4, 1e-3, ... 1e4: the "
        "best factor is 100 or more, lowers the loss by a fifth or more, and the steps "
        "as they are gain less than a tenth of that.",
        "Not on the examples with 20 seeds each; a learning rate that still rises is "
        "undecided, and parameters that are trained already gain little from any "
        "factor.",
        (
            "Multiply the learning rate by ten, and look again.",
            "Check the unit of the schedule: steps, not epochs.",
        ),
        "Steps that are too small only later.",
    ),
    Page(
        "large-steps",
        "Steps a hundred times as small would lower the loss far more",
        Severity.WARNING,
        "The steps jump over what they look for: the loss rises, jumps or becomes NaN.",
        "As for small-steps, with a best factor of 0.01 or less.",
        "Not on the examples with 20 seeds each.",
        ("Divide the learning rate by ten, and look again.", "Add a warm-up."),
        "Steps that are too large only later.",
    ),
    Page(
        "targets-unrelated",
        "What was learned says nothing of new examples",
        Severity.ERROR,
        "The loss of the batches that were trained on falls below that of the best "
        "constant, that of new batches does not: the model learns by heart. Inputs and "
        "targets may not belong together.",
        "Two trainings with your optimizer, on the batches as they are and with "
        "targets shuffled over all examples, and one with inputs of zero. At no time "
        "are new batches predicted better than without inputs, surely and by more than "
        "with shuffled targets.",
        "Not on the examples, with 20 seeds each; a task that takes longer to learn "
        "than the short training is undecided.",
        (
            "Print a few inputs beside their targets, after all of the preparation.",
            "Shuffle inputs and targets by the same permutation.",
        ),
        "Targets that are partly wrong.",
    ),
)
"""In the order in which they are looked at."""
