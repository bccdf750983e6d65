"""Small trainings with a fault in their data, for the check-up to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import jaxdebug as jd
from benchmarks.planted_fault import Planted
from benchmarks.small_sequences import sequences
from benchmarks.small_trainings import classifier, regressor


def _each(workload: jd.Workload, change: Callable[..., Any]) -> jd.Workload:
    batches: Any = workload.train
    return replace(workload, train=[change(x, y) for x, y in batches])


def _rows(
    workload: jd.Workload, change: Callable[..., Any], batches: Any = None
) -> jd.Workload:
    """With the rows of some batches to train on, changed: by default its own."""
    batches = batches or workload.train
    size = len(batches[0][0])
    inputs = np.concatenate([x for x, _ in batches])
    targets = np.concatenate([y for _, y in batches])
    inputs, targets = change(inputs, targets)
    cuts = range(0, len(inputs) - size + 1, size)
    pairs = [(inputs[at : at + size], targets[at : at + size]) for at in cuts]
    return replace(workload, train=pairs)


def _shuffled(seed: int) -> jd.Workload:
    workload = classifier(seed)
    random = np.random.default_rng(seed + 1)

    def mixed(batches: Any) -> Any:
        labels = random.permutation(np.concatenate([y for _, y in batches]))
        parts = np.split(labels, len(batches))
        return [(x, y) for (x, _), y in zip(batches, parts, strict=True)]

    return replace(workload, train=mixed(workload.train), eval=mixed(workload.eval))


def _rare(seed: int) -> jd.Workload:
    """Whether a digit is a three, of which most were taken out."""

    def kept(x: Any, y: Any) -> Any:
        three = y == 3
        keep = ~three | (np.cumsum(three) % 10 == 1)
        return x[keep], three[keep].astype(np.int32)

    workload = classifier(seed)
    return replace(
        _rows(workload, kept), eval=_rows(workload, kept, workload.eval).train
    )


def few(workload: jd.Workload, count: int) -> jd.Workload:
    """With so many training rows alone."""
    return _rows(workload, lambda x, y: (x[:count], y[:count]))


def _seen(seed: int) -> jd.Workload:
    workload = classifier(seed)
    others: Any = workload.eval

    def change(*columns: Any) -> Any:
        return [
            np.concatenate([every, *(batch[at] for batch in others[:2])])
            for at, every in enumerate(columns)
        ]

    return _rows(workload, change)


def _told(seed: int) -> jd.Workload:
    """One feature of both splits is the target."""

    def change(x: Any, y: Any) -> Any:
        return np.concatenate([x, 3 * y + 1], -1), y

    return regressor(seed, seen=change)


def _missing(seed: int) -> jd.Workload:
    def change(x: Any, y: Any) -> Any:
        x = x.copy()
        x[len(x) // 2, 3] = np.nan
        return x, y

    return _rows(classifier(seed), change)


def _destroyed(seed: int) -> jd.Workload:
    """Each training image has its pixels in an order of its own."""
    random = np.random.default_rng(seed)

    def change(x: Any, y: Any) -> Any:
        flat = x.reshape(len(x), -1)
        return random.permuted(flat, axis=1).reshape(x.shape), y

    return _rows(classifier(seed), change)


def _evaluated(seed: int) -> jd.Workload:
    """Evaluation images are moved and disturbed anew each time."""
    workload = classifier(seed, declare=("augmented",))
    random = np.random.default_rng(seed)

    def augmented(batches: Any) -> Any:
        for x, y in batches:
            moved = np.roll(x, random.integers(-1, 2, size=2), (1, 2))
            noise = 0.05 * random.normal(size=x.shape)
            yield (moved + noise).astype(np.float32), y

    train, other = workload.train, workload.eval
    return replace(
        workload, train=lambda: augmented(train), eval=lambda: augmented(other)
    )


def _workers(seed: int) -> jd.Workload:
    """Two workers begin with the same seed and give the same batches."""
    workload = classifier(seed)
    batches: Any = workload.train
    return replace(workload, train=[one for one in batches for _ in range(2)])


DATA: Mapping[str, Planted] = {
    "1 inputs from 0 to 255": Planted(
        lambda seed: _each(classifier(seed), lambda x, y: (255 * x, y)),
        ("initial-loss", "data/scale"),
    ),
    "2 divided by 255 twice": Planted(
        lambda seed: _each(classifier(seed), lambda x, y: (x / 255, y)),
        ("data/scale", "data/shift", "step-size", "gradients-and-layers"),
    ),
    "3 targets not scaled": Planted(
        lambda seed: regressor(seed, scaled=False), ("initial-loss",)
    ),
    "4 targets shuffled": Planted(_shuffled, ("related-targets",)),
    "6 labels off by one, the last clipped": Planted(
        lambda seed: _each(classifier(seed), lambda x, y: (x, np.minimum(y + 1, 9))),
        ("data/labels", "data/label-shift"),
    ),
    "7 one in a hundred": Planted(_rare, ("data/balance",), ("imbalanced-classes",)),
    "9 nine tenths deleted": Planted(
        lambda seed: few(regressor(seed), 32), ("overfitting",)
    ),
    "10 evaluation rows in training": Planted(_seen, ("data/leakage",)),
    "11 target among the inputs": Planted(_told, ("data/leaked-target",)),
    "12 NaN in one input": Planted(_missing, ("data/finite",)),
    "14 augmentation that destroys": Planted(
        _destroyed, ("data/neighbours", "related-targets")
    ),
    "15 augmentation in evaluation": Planted(_evaluated, ("evaluation-data",)),
    "17 workers that agree": Planted(
        _workers, ("data/identical-batches", "data/duplicates")
    ),
    "18 padding in the loss": Planted(
        lambda seed: sequences(seed, masked=False), ("padding",)
    ),
    "19 another scale in evaluation": Planted(
        lambda seed: _each(classifier(seed), lambda x, y: (x / 2, y)), ("data/shift",)
    ),
}
"""By the number of notes on faults of trainings, and what was done."""
