"""Faults planted in data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import jaxdebug as jd
from jaxdebug.findings import Finding
from tests.data.made_sets import (
    Options,
    Random,
    batches,
    digits,
    line,
    repeated,
    split,
    table,
    tokens,
    windows,
)


class Fault(NamedTuple):
    """A fault and what must be said of it.

    Attributes:
        make: the arguments of `check_data`, with the fault.
        code: of the finding.
        where: of the finding; empty if it does not matter.
        severity: the mildest that will do.
    """

    make: Callable[[Random], Options]
    code: str
    where: str = ""
    severity: str = "error"


def raw_pixels(random: Random) -> Options:
    x, y = digits(random)
    return {"train": (np.round(x * 255), y), "first_layer": "linear"}


def divided_twice(random: Random) -> Options:
    x, y = digits(random)
    return {"train": (x / 255, y), "first_layer": "linear"}


def unscaled_targets(random: Random) -> Options:
    x, y = line(random)
    return {"train": (x, 250_000 + 80_000 * y)}


def clipped_labels(random: Random) -> Options:
    x, y = digits(random)
    return split((x, np.minimum(y + 1, 9)))


def rare_class(random: Random) -> Options:
    x, _ = table(random, 2000)
    return {"train": (x, (random.random(2000) < 0.01).astype(np.int32))}


def eval_rows_in_train(random: Random) -> Options:
    made = split(digits(random))
    x, y = made["train"]
    more, labels = (one[:10] for one in made["eval"])
    return {**made, "train": (np.concatenate([x, more]), np.concatenate([y, labels]))}


def copies_before_the_split(random: Random) -> Options:
    x, y = table(random)
    again = random.permutation(600)[:90]
    order = random.permutation(690)
    return split((np.r_[x, x[again]][order], np.r_[y, y[again]][order]))


def noisy_copies(random: Random) -> Options:
    x, y = table(random, 4000, 40)
    made = split((x, y))
    near, labels = (one[:60] for one in made["eval"])
    near = near + 0.01 * random.standard_normal(near.shape).astype(np.float32)
    train, known = made["train"]
    return {**made, "train": (np.r_[train, near], np.r_[known, labels])}


def label_column(random: Random) -> Options:
    x, y = table(random)
    codes = random.permutation(4).astype(np.float32)
    return split((np.column_stack([x[:, :5], codes[y], x[:, 5:]]), y))


def target_column(random: Random) -> Options:
    x, y = line(random)
    noise = 0.01 * random.standard_normal(600)
    return split((np.column_stack([x, -3 * y + 7 + noise]).astype(np.float32), y))


def one_nan(random: Random) -> Options:
    x, y = table(random, 1000)
    x[137, 5] = np.nan
    return {"train": {"x": x, "y": y}, "targets": "y"}


def other_scale(random: Random) -> Options:
    made = split(digits(random))
    x, y = made["eval"]
    return {**made, "eval": (np.round(255 * x), y)}


def normalised_again(random: Random) -> Options:
    made = split(table(random))
    x, y = made["eval"]
    return {**made, "eval": (x / 8, y)}


def shifted_column(random: Random) -> Options:
    x, y = table(random, 10_000, 20)
    x[8000:, 7] += 0.2 * x[:, 7].std()
    return split((x, y))


def same_worker(random: Random) -> Options:
    every = batches(table(random, 640))
    return {"train": [one for one in every for _ in range(2)]}


def sorted_batches(random: Random) -> Options:
    x, y = table(random)
    order = np.argsort(y, kind="stable")
    return {"train": batches((x[order], y[order]))}


def cast_targets(random: Random) -> Options:
    x, y = line(random)
    small = (y / (2 * np.abs(y).max())).astype(np.int32)
    return split((x, small.astype(np.float32)))


def out_of_range(random: Random) -> Options:
    x, y = table(random)
    return {"train": (x, y + 1), "num_classes": 4}


def conflicts(random: Random) -> Options:
    x, y = table(random)
    return {"train": (np.r_[x, x[:5]], np.r_[y, (y[:5] + 1) % 4])}


def other_classes(random: Random) -> Options:
    x, y = table(random, 3000)
    made = split((x, y))
    kept = (made["eval"][1] != 0) | (random.random(600) < 0.3)
    return {**made, "eval": tuple(one[kept] for one in made["eval"])}


def padded(random: Random) -> Options:
    return {"train": {"tokens": tokens(random)}}


def normalised_apart(random: Random, axis: int | None) -> Options:
    made = split(table(random, 2000))
    for name, (x, y) in made.items():
        made[name] = (x - x.mean(axis)) / x.std(axis), y
    return made


def swapped_columns(random: Random) -> Options:
    """Each column is distributed as it was."""
    x, y = line(random, 3000)
    x[:, 3] = x[:, 0] + 0.5 * x[:, 3]
    x = (x - x.mean(0)) / x.std(0)
    x[2000:, [3, 7]] = x[2000:, [7, 3]]
    return split((x, y), 2 / 3)


def renumbered_labels(random: Random) -> Options:
    x = random.standard_normal((4000, 6))
    y = (x[:, 0] + 0.3 * random.standard_normal(4000) > 0).astype(np.int32)
    y[2000:] = 1 - y[2000:]
    return split((x, y), 0.5)


def targets_of_others(random: Random) -> Options:
    x, _ = table(random, 4000)
    y = x[:, 0] + 0.2 * random.standard_normal(4000)
    y[2000:] = random.permutation(y[2000:])
    return split((x, y), 0.5)


FAULTS = {
    "pixels from 0 to 255 (D1 1)": Fault(
        raw_pixels, "input-scale", "train/0", "warning"
    ),
    "divided by 255 twice (D1 2)": Fault(
        divided_twice, "input-scale", "train/0", "warning"
    ),
    "targets unscaled (D1 3)": Fault(
        unscaled_targets, "target-scale", "train/1", "info"
    ),
    "labels off by one, clipped (D1 6)": Fault(
        clipped_labels, "empty-class", "train/1", "warning"
    ),
    "99 to 1 (D1 7)": Fault(rare_class, "imbalanced-classes", "train/1", "info"),
    "10 rows of eval in train (D1 10)": Fault(
        eval_rows_in_train, "leaked-rows", "eval"
    ),
    "copies before the split": Fault(
        copies_before_the_split, "leaked-rows", "eval", "warning"
    ),
    "noisy copies of eval in train": Fault(
        noisy_copies, "near-duplicates", "eval", "warning"
    ),
    "labels renumbered as a column (D1 11)": Fault(
        label_column, "leaked-target", "train/0[:, 5]"
    ),
    "target scaled as a column (D1 11)": Fault(
        target_column, "leaked-target", "train/0[:, 12]"
    ),
    "one NaN in 1000 rows (D1 12)": Fault(one_nan, "nonfinite-data", "train/x"),
    "eval from 0 to 255 (D1 19)": Fault(other_scale, "rescaled-split", "eval/0"),
    "eval divided again (D1 15)": Fault(normalised_again, "rescaled-split", "eval/0"),
    "a column shifted by 0.2": Fault(
        shifted_column, "shifted-split", "eval/0", "warning"
    ),
    "eval normalized by itself, by column": Fault(
        lambda random: normalised_apart(random, 0),
        "normalized-apart",
        "eval/0",
        "warning",
    ),
    "eval normalized by itself, as a whole": Fault(
        lambda random: normalised_apart(random, None),
        "normalized-apart",
        "eval/0",
        "warning",
    ),
    "columns swapped in eval": Fault(
        swapped_columns, "unlike-relations", "eval", "warning"
    ),
    "labels renumbered in eval": Fault(
        renumbered_labels, "unlike-relations", "eval", "warning"
    ),
    "targets of other rows in eval": Fault(
        targets_of_others, "unlike-relations", "eval", "warning"
    ),
    "two workers of one seed (D1 17)": Fault(same_worker, "identical-batches", "train"),
    "two workers of one seed for each batch (D1 17)": Fault(
        lambda random: {"train": batches(repeated(line(random)))},
        "doubled-rows",
        "train",
        "warning",
    ),
    "batches sorted by class": Fault(
        sorted_batches, "ordered-rows", "train/1", "warning"
    ),
    "windows split at random": Fault(
        lambda random: windows(random, 3), "overlapping-windows", "eval/0", "warning"
    ),
    "windows of vectors split at random": Fault(
        lambda random: windows(random, 3, 2), "overlapping-windows", "eval/0", "warning"
    ),
    "targets cast to whole numbers": Fault(
        cast_targets, "constant-target", "train/1", "warning"
    ),
    "labels from 1": Fault(out_of_range, "labels-out-of-range", "train/1"),
    "two labels for one input": Fault(conflicts, "conflicting-labels", "1", "warning"),
    "a class left out of eval": Fault(
        other_classes, "shifted-labels", "eval/1", "warning"
    ),
    "padding (D1 18)": Fault(padded, "padded-sequences", "train/tokens", "info"),
}

ORDER = ("info", "warning", "error")


def found_in(fault: Fault, seed: int) -> bool:
    """Whether the fault is found at its place."""
    made = fault.make(np.random.default_rng(seed))
    return any(
        one.code == fault.code
        and (one.where == fault.where or not fault.where)
        and ORDER.index(one.severity) >= ORDER.index(fault.severity)
        for one in report_of(made).findings
    )


def report_of(options: Options) -> jd.OutcomeReport:
    """The report on a data set."""
    rest = dict(options)
    return jd.check_data(rest.pop("train"), **rest)


def alarms(options: Options) -> list[Finding]:
    """What is said of a data set above info."""
    return [one for one in report_of(options).findings if one.severity != "info"]
