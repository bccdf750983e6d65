"""Data sets to plant faults in."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import datasets

Random = np.random.Generator
Options = dict[str, Any]
"""Arguments of `check_data`."""


def table(random: Random, rows: int = 600, width: int = 12) -> tuple[np.ndarray, ...]:
    """Correlated columns, and classes that depend on them."""
    mix = random.standard_normal((width, width)) / np.sqrt(width)
    x = (random.standard_normal((rows, width)) @ mix).astype(np.float32)
    scores = x @ random.standard_normal((width, 4)) + random.standard_normal((rows, 4))
    return x, scores.argmax(1).astype(np.int32)


def line(random: Random, rows: int = 600, width: int = 12) -> tuple[np.ndarray, ...]:
    """Columns and a number that depends on them."""
    x, _ = table(random, rows, width)
    noise = random.standard_normal(rows)
    return x, (x @ random.standard_normal(width) + noise).astype(np.float32)


def digits(random: Random) -> tuple[np.ndarray, ...]:
    """Real images of digits, flat, from 0 to 1, shuffled."""
    x, y = datasets.load_digits(return_X_y=True)
    order = random.permutation(len(x))
    return (x[order] / 16).astype(np.float32), y[order].astype(np.int32)


def split(arrays: tuple[np.ndarray, ...], share: float = 0.8) -> Options:
    cut = int(share * len(arrays[0]))
    return {
        "train": tuple(one[:cut] for one in arrays),
        "eval": tuple(one[cut:] for one in arrays),
    }


def repeated(arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Each row twice, one after the other."""
    return tuple(np.repeat(one, 2, axis=0) for one in arrays)


def batches(arrays: tuple[np.ndarray, ...], size: int = 32) -> list[tuple[Any, ...]]:
    count = len(arrays[0]) // size
    return [tuple(a[i * size : (i + 1) * size] for a in arrays) for i in range(count)]


def windows(random: Random, hop: int, width: int = 1, length: int = 24) -> Options:
    """Windows of a series and its next value, split at random."""
    times = np.arange(600 * hop + length)
    series = np.sin(times / 7)[:, None] + 0.3 * random.standard_normal(
        (len(times), width)
    )
    starts = random.permutation(600) * hop
    rows = np.stack([series[at : at + length] for at in starts]).astype(np.float32)
    return split((rows[:, :-1].squeeze(), rows[:, -1, 0]))


def tokens(random: Random) -> np.ndarray:
    lengths = random.integers(5, 33, 400)
    words = random.integers(1, 500, (400, 32))
    return np.where(np.arange(32) < lengths[:, None], words, 0).astype(np.int32)
