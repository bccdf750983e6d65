"""Healthy sets drawn at random: columns of many kinds, dealt to splits at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.data.made_sets import Options, Random, batches

Draw = Callable[[Random, np.ndarray], np.ndarray]

COLUMNS: tuple[Draw, ...] = (
    lambda r, z: r.standard_normal(len(z)),
    lambda r, z: r.standard_cauchy(len(z)),
    lambda r, z: r.lognormal(0, r.uniform(0.5, 3), len(z)),
    lambda r, z: r.integers(0, r.integers(2, 6), len(z)),
    lambda r, z: r.poisson(r.uniform(0.05, 5), len(z)),
    lambda r, z: np.round(r.standard_normal(len(z)), r.integers(0, 3)),
    lambda r, z: z[:, 0] * r.normal() + r.standard_normal(len(z)) * r.uniform(),
    lambda r, z: z[:, 1] > r.normal(),
    lambda r, z: np.full(len(z), r.normal()),
    lambda r, z: np.where(r.random(len(z)) < r.uniform(0.01, 0.3), r.random(len(z)), 0),
    lambda r, z: np.floor(z[:, 2] * 3),
    lambda r, z: 1e6 + z[:, 1] * 100,
)
"""Each of what is common to a row, three numbers."""

TARGETS: tuple[Draw, ...] = (
    lambda r, z: r.integers(0, r.integers(2, 12), len(z)),
    lambda r, z: (z[:, 0] > r.normal()).astype(int),
    lambda r, z: z[:, 0] * 3 + r.standard_normal(len(z)),
    lambda r, z: r.lognormal(0, 2, len(z)),
    lambda r, z: np.digitize(z[:, 0], [-1, 0, 1.5]),
    lambda r, z: r.zipf(1.7, len(z)).clip(max=40),
)


def random_set(random: Random) -> Options:
    """Two or three splits of a set of 24 to 4000 rows, as sets or as batches."""
    rows = int(np.exp(random.uniform(np.log(24), np.log(4000))))
    common = random.standard_normal((rows, 3))
    if random.random() < 0.2:  # several rows of one source
        common = common[random.integers(0, max(3, rows // 5), rows)]
    width = int(np.exp(random.uniform(0, np.log(60))))
    kinds = random.integers(0, len(COLUMNS), width)
    x = np.column_stack([COLUMNS[kind](random, common) for kind in kinds])
    y = TARGETS[random.integers(0, len(TARGETS))](random, common)
    order = random.permutation(rows)
    x = x[order].astype(random.choice([np.float32, np.float64]))
    cuts = [int(random.choice([0.5, 0.6, 0.8]) * rows)]
    if random.random() < 0.3:
        cuts.append((cuts[0] + rows) // 2)
    parts = zip(np.split(x, cuts), np.split(y[order], cuts), strict=True)
    splits = dict(zip(("train", "eval", "test"), parts, strict=False))
    size = int(random.integers(1, 33))
    if random.random() < 0.4 and size <= len(splits["eval"][0]) // 2:
        return {name: batches(split, size) for name, split in splits.items()}
    return splits
