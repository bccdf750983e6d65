"""Pages on what two splits of a data set share, and in what they differ."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

RESPLITS = "In 600 random splits of six sets, four of them real, one alarm of any kind"
"""Of benchmarks/data_checks.py."""

PAGES = (
    Page(
        "leaked-rows",
        "Rows of one split are in another too",
        Severity.ERROR,
        "What is measured on rows that were trained on says how well they are "
        "remembered.",
        "Rows whose inputs are equal, found by 64-bit hashes. An error where groups of "
        "equal rows are in both splits more often than a random split makes likely (1 "
        "in 1000), or where the only equal rows of the set stand across splits and "
        "their values are too rare to meet by chance. A warning where such rows are as "
        "frequent within the splits: the set held copies before it was split. Where "
        "rows are of few categories, equal ones are only mentioned (info); so they are "
        "where both splits are one set, such as a graph, and a field of zeros and ones "
        "counts other rows in each.",
        f"{RESPLITS}. It comes where a set of rich rows holds one true copy, and the "
        "split puts both on different sides.",
        (
            "Remove equal rows before splitting, or split by group: by person, "
            "document or recording.",
            "Check that the splits are cut from disjoint ranges of the same order.",
        ),
        "Copies that were changed: see near-duplicates. Fields that are not inputs.",
    ),
    Page(
        "near-duplicates",
        "Rows of one split are nearly rows of another",
        Severity.WARNING,
        "As leaked-rows: frames of one film, crops of one image, copies with a digit "
        "changed are remembered too.",
        "48 random planes, in units of each column's spread, give a row 48 bits. Rows "
        "are near if at most 2 bits differ; chains of near rows form groups. Groups in "
        "both splits are compared with what a random split gives: a warning if chance "
        "does as much once in 10,000 splits. At even splits 14 pairs are the least.",
        f"{RESPLITS}.",
        (
            "Look at the pairs that are named, and split by what they come from.",
            "If rows follow each other in time, cut the splits by time, with a gap.",
        ),
        "Pairs that the sketch puts apart; `docs/data.md` says how many. Images that "
        "are moved or mirrored.",
    ),
    Page(
        "overlapping-windows",
        "Windows of one series are in several splits",
        Severity.WARNING,
        "As leaked-rows: what comes after a window of the one split stands in a window "
        "of the other, and evaluation measures memory.",
        "Pieces of half a row, at every position along its axis of time, of samples of "
        "both splits: more than 5 % of the rows hold a piece that stands elsewhere in "
        "a row of another split. Only of floating numbers of which pieces would be "
        "equal by chance less than once in a million times.",
        "Never of windows that do not overlap, nor of those of a split that was cut in "
        "time, but for the few at the cut.",
        (
            "Cut the series into parts first, with a gap, and each part into windows.",
            "Split by what the series come from: patients, machines, days.",
        ),
        "Windows that were each scaled by themselves; tokens; images; windows that "
        "share less than half of a row.",
    ),
    Page(
        "shifted-split",
        "A column is distributed otherwise in another split",
        Severity.WARNING,
        "The model is measured on other data than it learns from; a preparation that "
        "differs between training and evaluation looks like this.",
        "The largest distance of the distributions of each column (Kolmogorov and "
        "Smirnov), and how often a row of one split has the larger number (Mann and "
        "Whitney), in random samples of up to 16,384 rows; of rows with several axes, "
        "of the mean and the spread of each channel in a row. They must be 0.05, or "
        "53.5 % of pairs, at least, and larger than chance makes any of the columns in "
        "one of 1000 data sets. "
        "Rows with several axes are as a rule changed at random for training: they are "
        "only mentioned (info) unless the mean of a channel moves by half its spread, "
        "or the spread changes by half; so is what is declared time-ordered or "
        "augmented.",
        f"{RESPLITS}. Splits by time, place or person do differ: that is what it says.",
        (
            "Compare the preparation of both splits: the same mean and scale, computed "
            "on the training split, the same order of columns.",
            "Shuffle before splitting, unless the order is meant.",
            "If it is meant, declare it: declare=('time-ordered',) or "
            "declare=('augmented',).",
        ),
        "Shifts of several columns together that leave each one and their correlations "
        "as they are.",
    ),
    Page(
        "rescaled-split",
        "The values of one split spread several times as far as those of another",
        Severity.ERROR,
        "One of them was divided, normalised or converted and the other was not: the "
        "model meets inputs of a size that it never saw.",
        "A column is distributed otherwise, as of shifted-split, and over the columns "
        "of the field the ratio of the ranges from the 5th to the 95th percentile has "
        "a median beyond 3 or below 1/3. Only mentioned (info) where the data are "
        "declared time-ordered.",
        f"{RESPLITS}.",
        ("Apply one preparation, with the numbers of the training split, to all.",),
        "A difference of scale in a few columns: that is a shifted-split.",
    ),
    Page(
        "normalized-apart",
        "A split is normalized by its own mean and spread",
        Severity.WARNING,
        "The same row is another input in each split, and what is measured depends on "
        "which rows are evaluated together.",
        "Over all rows of a split that is not the training split, the mean is 0 and "
        "the standard deviation 1, each to a hundredth of what is left by chance where "
        "the training split's are used: of every column, or of all values together. "
        "Columns of -1 and 1 do not count, nor splits that are not read to their end.",
        "By chance about once in 10,000 fields of one column, in larger ones less.",
        (
            "Compute mean and spread on the training split, and use them for every "
            "split.",
        ),
        "A split scaled by its own extremes, and one that is evaluated in part.",
    ),
    Page(
        "unlike-relations",
        "Columns belong together in another way in another split",
        Severity.WARNING,
        "Columns are in another order, belong to other rows or to other classes in one "
        "of the splits: what the model learned of one column meets another.",
        "The rank correlations (Spearman) of all pairs of columns, targets and up to "
        "32 classes among them, in random samples of up to 4,096 rows, of up to 256 "
        "columns of rows with one axis. Those of a pair differ by 0.25 at least, and "
        "by more than chance makes any of them in one of 1000 data sets (Bernstein's "
        "inequality; copies of a row are not counted). Only mentioned (info) where the "
        "data are declared time-ordered, augmented or resampled.",
        f"{RESPLITS}. Splits by time, place or person can differ: that is what it "
        "says.",
        (
            "Compare the order of columns and the table of labels of both splits.",
            "Look whether inputs and targets were shuffled together.",
            "If it is meant, declare it: declare=('time-ordered',).",
        ),
        "Rows with several axes, small correlations, and relations that are neither "
        "rising nor falling.",
    ),
    Page(
        "scrambled-split",
        "Neighbouring values are alike in one split and not in another",
        Severity.WARNING,
        "Rows such as images lost their order in one of them: they were reshaped where "
        "axes had to be moved, permuted, or drowned in noise.",
        "The correlation of neighbours along all axes of a row but the last, of "
        "channels, over up to 16,384 rows. In one split it is 0.3 at least, in the "
        "other less than a fifth of that, and they differ by six standard errors. Only "
        "mentioned (info) where the data are declared augmented.",
        "Not on 19 healthy trainings; noise of twice the spread of the values leaves a "
        "fifth.",
        (
            "Draw a few rows of both splits after all of the preparation.",
            "Change the order of axes by np.moveaxis or np.transpose, not by reshape.",
        ),
        "Rows that are scrambled in every split, and rows with one axis.",
    ),
    Page(
        "shifted-labels",
        "A class has another share of the rows in another split",
        Severity.WARNING,
        "Accuracy on such a split says little of the training split's classes.",
        "The shares of each class differ by 0.05 at least, and by more than chance "
        "makes any of them in one of 1000 random splits. Only mentioned (info) where "
        "the data are declared time-ordered or resampled.",
        f"{RESPLITS}. A split that is balanced on purpose differs, and is told of.",
        (
            "Shuffle before splitting, or split each class in the same proportion.",
            "If classes are drawn evenly on purpose, declare it: "
            "declare=('resampled',).",
        ),
        "Rare classes: they differ by less.",
    ),
    Page(
        "unseen-class",
        "A class is in another split and not in the training split",
        Severity.WARNING,
        "The model cannot learn it: all its rows count as errors.",
        "A warning if a random split would put all its rows there once in 1000 times "
        "at most, otherwise only mentioned (info).",
        f"{RESPLITS}.",
        (
            "Split each class in the same proportion.",
            "Check that labels are numbered by one table for all splits.",
        ),
        "Classes that are in no split.",
    ),
    Page(
        "unlike-splits",
        "Fields of two splits have other shapes or dtypes",
        Severity.WARNING,
        "Whole numbers in one split and floats in the other are as a rule raw and "
        "prepared data. Other shapes were not compared.",
        "A warning where the dtype is of whole numbers in only one of them; another "
        "shape, or another dtype of the same kind, is only mentioned (info).",
        "Never where all splits are prepared alike.",
        ("Apply one preparation to all splits.",),
        "Whether the model takes both.",
    ),
)
