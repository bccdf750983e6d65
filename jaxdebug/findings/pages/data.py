"""Pages on the columns, labels and batches of a data set."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

PAGES = (
    Page(
        "leaked-target",
        "A column of the inputs is the target",
        Severity.ERROR,
        "The model reads the answer from it and learns nothing else; where the column "
        "is missing or late, it fails.",
        "In a sample of the training split, classes (or a line, for numbers) leave at "
        "most 0.001 of the column's variance unexplained, and the middle column leaves "
        "100 times as much; at most half of the columns do so. A column with so few "
        "other values that it may fit by chance, or whose variance one row makes, is "
        "passed over.",
        "Never where the target is not among the inputs. It does come where the task "
        "is to copy one column; not where most columns tell the target, as in windows "
        "of a series, or inputs that are to be reproduced.",
        (
            "Remove the column, and those computed from the target.",
            "Ask of each column whether it is known at the time of prediction.",
        ),
        "Targets spread over several columns, or bent beyond a line.",
    ),
    Page(
        "conflicting-labels",
        "Equal inputs have different labels",
        Severity.WARNING,
        "No model can be right on both: the loss stays above zero.",
        "Rows of equal hash whose targets differ. A warning for class labels, where "
        "the values of the rows are too rare to meet by chance; else info.",
        "Never where equal rows are copies with one label. Rows of few categories, and "
        "several measurements of one thing, are only mentioned.",
        (
            "Look at the rows that are named; correct or remove them.",
            "Check that inputs and labels were not shuffled apart.",
        ),
        "Conflicts of rows that are only nearly equal.",
    ),
    Page(
        "labels-out-of-range",
        "Labels are outside of the classes",
        Severity.ERROR,
        "JAX clips or drops an index that is out of range: the loss is wrong without "
        "an error.",
        "Labels below 0, or `num_classes` and above. Without `num_classes` negative "
        "labels are only mentioned (info): some losses take -1 and 1. A check-up looks "
        "at the first batch too: labels beyond the outputs, of a loss that is "
        "recognised as a cross entropy, or is not finite.",
        "Never where all labels are in range.",
        (
            "Number the classes from 0, or correct `num_classes`.",
            "Mask labels that mean nothing is known, such as -1 or -100, in the loss.",
        ),
        "Labels that are wrong and in range.",
    ),
    Page(
        "empty-class",
        "A class has no row",
        Severity.WARNING,
        "Labels that start at 1, or were shifted and clipped, look like this; then "
        "every prediction is off by one class.",
        "Classes from 0 to the largest label, or of `num_classes`, that no row of the "
        "training split has. A warning if chance leaves a class that is three times as "
        "rare as the rarest of the others empty in less than one of a million sets; "
        "else info. "
        "Without `num_classes`, numbers of which more than a tenth is missing are "
        "taken for no classes.",
        "Never where every class has rows. A rare class beside common ones, of which "
        "no row was collected, is told of.",
        (
            "Check that labels start at 0 and that none was clipped.",
            "Lower the number of classes of the model, if there are fewer.",
        ),
        "Labels that are shifted in a circle.",
    ),
    Page(
        "imbalanced-classes",
        "One class has far more rows than another",
        Severity.INFO,
        "A model that always answers the commonest class has a good accuracy and a low "
        "loss: training may stay there.",
        "The commonest class has 10 times the rows of the rarest.",
        "On every set of uneven classes, which may well be weighted: only mentioned.",
        (
            "Weight the loss, or draw classes evenly.",
            "Measure each class for itself, not only the accuracy.",
        ),
        "Weights in the loss, and how hard the classes are.",
    ),
    Page(
        "ordered-rows",
        "Rows that follow each other have like targets",
        Severity.WARNING,
        "Batches hold one class, or one range of the target: each undoes what the one "
        "before taught.",
        "Cohen's kappa of a label with the one before, or the correlation of the rank "
        "of a number with that before: at least 0.2 and six standard deviations of "
        "chance. A warning of batches as training gets them; one set of rows, which is "
        "shuffled later, and data declared time-ordered, are only mentioned (info).",
        "Once in a billion shuffled sets. Batches cut from a series are told of unless "
        "it is declared.",
        (
            "Shuffle the rows before every pass, over the whole set.",
            "If the order is meant, declare it: declare=('time-ordered',).",
        ),
        "An order of the inputs alone.",
    ),
    Page(
        "identical-batches",
        "A batch comes again within one pass",
        Severity.ERROR,
        "Workers that start from one seed, or a buffer that is handed out twice, make "
        "fewer examples of the data than it seems.",
        "Hashes of the rows of each batch, in any order. Several passes in one order "
        "are only mentioned (info). Batches so small, of rows so often equal, that "
        "chance makes one twice are passed over.",
        "Never in a pass over distinct rows.",
        (
            "Give each worker its own part of the data and its own seed.",
            "Copy a buffer before the next batch is written into it.",
        ),
        "Batches that hold the same rows in part, or with other random changes.",
    ),
    Page(
        "doubled-rows",
        "Batches hold every row several times",
        Severity.WARNING,
        "Two workers that start from one seed, or a list that is joined to itself, "
        "make batches of half as many examples as it seems.",
        "Hashes of the rows of each batch, targets among them. In half of the batches, "
        "or more, every row is there twice or more, and rows are too rare to be equal "
        "by chance.",
        "Never in a pass over distinct rows.",
        (
            "Give each worker its own part of the data and its own seed.",
            "If examples are meant to be repeated, change each copy at random.",
        ),
        "Batches of which some rows are there once.",
    ),
    Page(
        "duplicated-rows",
        "Rows have the inputs of an earlier one",
        Severity.INFO,
        "They count twice in the loss.",
        "Rows of one split whose inputs have an equal hash.",
        "On every set of few categories, and of rows drawn again: only mentioned.",
        ("Remove copies, unless they are meant to weigh more.",),
        "Rows that are only nearly equal.",
    ),
    Page(
        "constant-feature",
        "Columns of the inputs never change",
        Severity.INFO,
        "They tell nothing, and dividing by their spread makes NaN.",
        "All finite values of a column of the training split are one.",
        "On images with an empty border, and on rare categories: only mentioned.",
        ("Leave them out, or keep a small number in the divisor.",),
        "Columns that change in few rows.",
    ),
    Page(
        "constant-target",
        "All examples have the same target",
        Severity.WARNING,
        "There is nothing to learn but one number: a model that ignores its inputs is "
        "as good as any. Numbers that were cast to integers, and masks that were "
        "rounded, come to this.",
        "All finite values of the training targets are one, in all rows and columns.",
        "Where no targets are needed and zeros stand in for them.",
        (
            "Look at the targets right after they are read, and after each cast.",
            "Check that the rows were not selected by the target.",
        ),
        "Targets that change in few rows: see imbalanced-classes.",
    ),
    Page(
        "duplicated-feature",
        "A column of the inputs is equal to an earlier one",
        Severity.INFO,
        "It tells nothing new, and its weights share one gradient.",
        "Hashes of the columns of the training split; constant ones are left out.",
        "On sets with repeated measurements: only mentioned.",
        ("Leave one out.",),
        "Columns that are another one scaled.",
    ),
    Page(
        "input-scale",
        "Inputs are far larger or smaller than 1",
        Severity.INFO,
        "Usual initial weights expect inputs of about 1. Larger ones saturate and ask "
        "for a smaller learning rate, smaller ones leave the bias to speak.",
        "The root mean square of all values that are not zero, below 0.02 or above 10. "
        "A warning with first_layer='linear'; otherwise info, because a normalisation "
        "may come first. Whole numbers of more than a byte may be tokens: they are "
        "judged with first_layer='linear' only.",
        "On raw pixels: only mentioned, unless it is said that a linear layer follows.",
        (
            "Normalise each column by the mean and spread of the training split.",
            "Check that pixels are divided by 255 once.",
        ),
        "What the model does with the inputs first.",
    ),
    Page(
        "uneven-features",
        "Columns of the inputs differ in size by a thousand",
        Severity.INFO,
        "The largest decides the outputs of the first layer and the learning rate.",
        "The root mean square of the values of each column that are not zero.",
        "On tables in several units: only mentioned.",
        ("Normalise each column by the mean and spread of the training split.",),
        "A normalisation within the model.",
    ),
    Page(
        "target-scale",
        "Numbers to be predicted are far larger or smaller than 1",
        Severity.INFO,
        "A new model predicts about 0: a squared loss begins with the square of this "
        "size, and so do its gradients.",
        "The root mean square of the targets that are not zero, below 0.02 or above "
        "10, where they are no classes.",
        "On targets in any unit: only mentioned.",
        ("Normalise the targets, and undo it in the predictions.",),
        "A scale within the model or the loss.",
    ),
    Page(
        "padded-sequences",
        "Part of the positions of a sequence is padding",
        Severity.INFO,
        "Padding that is not masked counts in the loss, the attention and the mean.",
        "Runs of one value at one end of the rows, of several lengths, where fewer "
        "than 2 % of the other positions, and fewer than are in runs, hold that value.",
        "On every set of padded sequences: only mentioned.",
        (
            "Mask the padding in the loss and in the attention.",
            "Sort sequences by length into batches, to have less of it.",
        ),
        "Whether it is masked.",
    ),
    Page(
        "cast-data",
        "JAX changes the dtype of a field",
        Severity.INFO,
        "Digits beyond those of float32 are lost, unless jax_enable_x64 is set.",
        "The dtype that JAX gives the field under the present settings.",
        "On all float64 arrays without x64: only mentioned.",
        ("Convert it when it is prepared: half the memory, and no surprise.",),
        "Whether the digits matter.",
    ),
    Page(
        "channels-first",
        "Images seem to have their channels first",
        Severity.INFO,
        "Convolutions of Flax take the last axis for the channels.",
        "Rows with three axes, the first of 1, 3 or 4 and the last longer.",
        "On images with their channels first: only mentioned.",
        ("Move the axis: np.moveaxis(images, 1, -1).",),
        "What the model expects.",
    ),
)
