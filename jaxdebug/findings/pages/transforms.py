"""Pages on what a transformation of batches does to them."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "transform-in-place",
        "A transformation changes the batch that it is given",
        Severity.ERROR,
        "The data set itself changes: in the next pass it is transformed again.",
        "The batch before and after the call.",
        "Never where a new array is made.",
        ("Copy first: x = x / 255 in place of x /= 255.",),
        "Changes of anything but the batch.",
    ),
    Page(
        "unsteady-transform",
        "A transformation makes something else of the same batch each time",
        Severity.WARNING,
        "A run cannot be repeated, and an evaluation with it has noise of its own.",
        "Two calls with one batch, if it is not declared random.",
        "Never where nothing is drawn.",
        (
            "In training, declare it: declare=('random-transform',).",
            "Leave random changes out of the evaluation.",
        ),
        "Randomness that comes once in many calls.",
    ),
    Page(
        "repeated-transform",
        "A transformation that is declared random makes the same each time",
        Severity.WARNING,
        "Every pass, or every worker, gets the same changes: it is no augmentation.",
        "Two calls with one batch.",
        "Never where the changes of eight rows are drawn anew.",
        ("Make the random numbers anew at each call, and from one seed a worker.",),
        "Changes that are drawn but few.",
    ),
    Page(
        "transform-mixes-rows",
        "A row comes out otherwise in other company",
        Severity.WARNING,
        "What the model sees of a row depends on the batch: a mean over the batch, or "
        "a sort, makes evaluation differ from training and from use.",
        "The first eight rows in the other order, and the first one alone: each row "
        "must come out the same within 1e-4 of the spread of the result.",
        "Never where rows are treated one by one.",
        (
            "Use the numbers of the training split, computed once.",
            "Check the axis of mean, std, sort and shuffle.",
        ),
        "Transformations that change the number of rows, and random ones.",
    ),
    Page(
        "transform-jumps",
        "A tiny change of the data makes a large one of the result",
        Severity.WARNING,
        "The last digits of the data decide what the model sees: a hash, a cast that "
        "overflows, or a difference of nearly equal numbers.",
        "All numbers of eight rows are changed by a millionth; more than a tenth of "
        "the rows then changes by more than 1 % of the spread of the result.",
        "Never where the result follows the data. Thresholds move few rows.",
        ("Look for casts to small integers, and divisions by a small difference.",),
        "Whole numbers, which cannot be changed by so little.",
    ),
)
