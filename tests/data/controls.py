"""Healthy data sets of which nothing is to be said above info."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from sklearn import datasets

from tests.data.made_sets import (
    Options,
    Random,
    batches,
    digits,
    line,
    split,
    table,
    tokens,
    windows,
)


def shuffled(random: Random, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    order = random.permutation(len(arrays[0]))
    return tuple(one[order] for one in arrays)


def real(name: str) -> Callable[[Random], Options]:
    """A random split of a set of scikit-learn."""

    def make(random: Random) -> Options:
        arrays = getattr(datasets, f"load_{name}")(return_X_y=True)
        return split(shuffled(random, *arrays), random.choice([0.5, 0.7, 0.8, 0.9]))

    return make


def normal(random: Random) -> Options:
    return split(table(random, 1000))


def windows_in_time(random: Random) -> Options:
    """Windows that overlap, the last of them for evaluation."""
    times = np.arange(2000)
    series = np.cumsum(random.standard_normal(len(times))) + np.sin(times / 7)
    series = np.diff(series)
    rows = np.stack([series[at : at + 21] for at in range(0, 1950, 3)])
    rows = rows.astype(np.float32)
    return {**split((rows[:, :-1], rows[:, -1])), "declare": ("time-ordered",)}


def numbers(random: Random) -> Options:
    return split(line(random))


def raw_with_normalisation(random: Random) -> Options:
    x, y = digits(random)
    return {**split((np.round(255 * x), y)), "first_layer": "normalization"}


def raw(random: Random) -> Options:
    x, y = digits(random)
    return split(((255 * x).astype(np.uint8).reshape(-1, 8, 8, 1), y))


def token_ids(random: Random) -> Options:
    ids = random.zipf(1.5, (800, 24)).clip(max=5000).astype(np.int32)
    return {**split((ids, np.roll(ids, -1, 1))), "first_layer": "embedding"}


def imbalanced(random: Random) -> Options:
    x, _ = table(random, 3000)
    return split((x, (random.random(3000) < 0.02).astype(np.int32)))


def long_tail(random: Random) -> Options:
    x, _ = table(random, 2000)
    return split((x, random.zipf(1.6, 2000).clip(max=200).astype(np.int64) - 1))


def augmented_train(random: Random) -> Options:
    """Moved and noisy in training, clean in evaluation."""
    x, y = digits(random)
    made = split((x.reshape(-1, 8, 8, 1), y))
    images, labels = made["train"]
    moves = random.integers(-1, 2, (len(images), 2))
    moved = [np.roll(one, by, (0, 1)) for one, by in zip(images, moves, strict=True)]
    noisy = np.stack(moved) + 0.05 * random.standard_normal(images.shape)
    return {
        **made,
        "train": (noisy.astype(np.float32), labels),
        "declare": ("augmented",),
    }


def augmented_images(random: Random) -> Options:
    """The same, and nothing is declared: images are augmented as a rule."""
    made = augmented_train(random)
    return {name: made[name] for name in ("train", "eval")}


def oversampled(random: Random) -> Options:
    """Rare classes are drawn again in training, and that is declared."""
    x, y = table(random, 3000)
    y = (y == 0).astype(np.int32) * (random.random(3000) < 0.2)
    made = split((x, y))
    (rare,) = np.nonzero(made["train"][1])
    more = np.r_[np.arange(2400), random.choice(rare, 2000)]
    train = shuffled(random, *(one[more] for one in made["train"]))
    return {**made, "train": train, "declare": ("resampled",)}


def one_hot(random: Random) -> Options:
    """Rows of two categories: most are equal to others."""
    first, second = random.integers(0, 6, 900), random.integers(0, 4, 900)
    x = np.column_stack([np.eye(6)[first], np.eye(4)[second]]).astype(np.float32)
    return split((x, ((first + second + random.integers(0, 2, 900)) % 3)))


def words(random: Random) -> Options:
    """Counts of words in documents, many of them of a few words."""
    shares = 1 / np.arange(1, 801) ** 1.1
    lengths = random.geometric(1 / 15, 1000)
    x = np.stack([random.multinomial(n, shares / shares.sum()) for n in lengths])
    return split((x.astype(np.float32), random.integers(0, 5, 1000)))


def in_time(random: Random) -> Options:
    """Windows of a walk, cut by time and declared so."""
    walk = np.cumsum(random.standard_normal(1200)) / 10
    x = np.lib.stride_tricks.sliding_window_view(walk[:-1], 16).astype(np.float32)
    y = walk[16:].astype(np.float32)
    made = split((x, y))
    return {
        "train": batches(made["train"]),
        "eval": batches(made["eval"]),
        "declare": ("time-ordered",),
    }


def padded_tokens(random: Random) -> Options:
    ids = tokens(random)
    return split((ids, (ids[:, 0] % 3).astype(np.int32)))


def sorted_set(random: Random) -> Options:
    """One array, sorted by class: it is shuffled later."""
    x, y = table(random)
    order = np.argsort(y, kind="stable")
    return {"train": (x[order], y[order])}


def few_rows(random: Random) -> Options:
    x, y = table(random, 24)
    return split((x, y), 0.5)


def heavy_tails(random: Random) -> Options:
    x = random.standard_cauchy((800, 8))
    return split((x, random.lognormal(0, 2, 800)), 0.9)


def reproduced(random: Random) -> Options:
    """An autoencoder's: the targets are the inputs."""
    x, _ = digits(random)
    return split((x, x))


def binary_columns(random: Random) -> Options:
    x = (random.random((900, 30)) < random.random(30)).astype(np.float64)
    return split((x, (x[:, :3].sum(1) > 1).astype(np.float32)))


def several_passes(random: Random) -> Options:
    every = batches(table(random, 320))

    def passes() -> Iterator[tuple[np.ndarray, ...]]:
        for _ in range(3):
            yield from every

    return {"train": passes}


def single_rows(random: Random) -> Options:
    first = random.integers(0, 6, 300)
    x = np.eye(6, dtype=np.float32)[first]
    return {"train": batches((x, first % 2), 1)}


def three_splits(random: Random) -> Options:
    x, y = table(random, 1500)
    made = split((x, y), 0.6)
    rest = split(made["eval"], 0.5)
    return {"train": made["train"], "eval": rest["train"], "test": rest["eval"]}


def stratified_folds(random: Random) -> Options:
    x, y = digits(random)
    order = np.argsort(y, kind="stable")
    held = np.zeros(len(y), bool)
    held[order[::5]] = True
    return {"train": (x[~held], y[~held]), "eval": (x[held], y[held])}


def noise(random: Random) -> Options:
    """Labels that have nothing to do with the inputs."""
    return split((random.random((500, 300)), random.integers(0, 50, 500)))


def drawn_again(random: Random) -> Options:
    """Of few rows, each split drawn with replacement."""
    x, y = table(random, 60)
    chosen = random.integers(0, 40, 4000), random.integers(40, 60, 4000)
    return {
        name: (x[rows], y[rows])
        for name, rows in zip(("train", "eval"), chosen, strict=True)
    }


def designed(random: Random) -> Options:
    """Levels of -1 and 1 in every combination, measured several times."""
    x = np.array([*product((-1.0, 1.0), repeat=6)])
    x = np.repeat(x, 8, axis=0)
    y = x.sum(1) + random.standard_normal(len(x))
    return {"train": shuffled(random, x, y), "eval": shuffled(random, x[::2], y[::2])}


CONTROLS: dict[str, Callable[[Random], Options]] = {
    "digits": real("digits"),
    "diabetes": real("diabetes"),
    "breast cancer": real("breast_cancer"),
    "wine": real("wine"),
    "iris": real("iris"),
    "windows apart": lambda random: windows(random, 24),
    "windows cut in time": windows_in_time,
    "a table": normal,
    "a table and a number": numbers,
    "raw pixels, normalised by the model (H9)": raw_with_normalisation,
    "raw images": raw,
    "tokens (H9)": token_ids,
    "imbalanced, weighted (H16)": imbalanced,
    "a long tail of classes": long_tail,
    "augmented training (H8)": augmented_train,
    "augmented images, undeclared (H8)": augmented_images,
    "rare classes drawn again (H16)": oversampled,
    "one-hot columns": one_hot,
    "bags of words": words,
    "ordered in time, declared": in_time,
    "padded sequences": padded_tokens,
    "one sorted set": sorted_set,
    "few rows": few_rows,
    "heavy tails": heavy_tails,
    "inputs to be reproduced": reproduced,
    "binary columns": binary_columns,
    "several passes": several_passes,
    "batches of one row (H20)": single_rows,
    "three splits": three_splits,
    "stratified split": stratified_folds,
    "labels of noise": noise,
    "few rows drawn again and again": drawn_again,
    "a factorial design": designed,
}
