"""What small changes of a batch reveal of its transformation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd

RANDOM = np.random.default_rng(0)
X = np.random.default_rng(1).random((64, 6)).astype(np.float32)
Batch = dict[str, Any]


def scaled(batch: Batch) -> Batch:
    return {"x": (batch["x"] - 0.5) / 0.3}


def on_device(batch: Batch) -> Batch:
    return {"x": jnp.tanh(batch["x"]), "half": batch["x"].astype(jnp.bfloat16)}


def thresholds(batch: Batch) -> Batch:
    return {"x": (batch["x"] > 0.5).astype(np.float32)}


def noisy(batch: Batch) -> Batch:
    return {"x": batch["x"] + RANDOM.normal(size=batch["x"].shape)}


def same_noise(batch: Batch) -> Batch:
    fixed = np.random.default_rng(0)
    return {"x": batch["x"] + fixed.normal(size=batch["x"].shape)}


def in_place(batch: Batch) -> Batch:
    batch["x"] /= 255
    return batch


def by_batch(batch: Batch) -> Batch:
    return {"x": batch["x"] - batch["x"].mean(0)}


def shuffling(batch: Batch) -> Batch:
    return {"x": np.sort(batch["x"], axis=0)}


def last_digits(batch: Batch) -> Batch:
    return {"x": (batch["x"] * 1e6) % 1}


def roots(batch: Batch) -> Batch:
    with np.errstate(invalid="ignore"):
        return {"x": np.log(batch["x"] - 0.5)}


def codes(transform: Callable[[Batch], Batch], *declare: str) -> set[str]:
    report = jd.check_data(
        {"x": X}, transform=transform, declare=declare, only=["transform"]
    )
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("transform", [scaled, on_device, thresholds])
def test_a_steady_transformation_passes(transform: Callable) -> None:
    assert not codes(transform)


def test_declared_noise_passes() -> None:
    assert not codes(noisy, "random-transform")


@pytest.mark.parametrize(
    ("transform", "declare", "code"),
    [
        (noisy, (), "unsteady-transform"),
        (same_noise, ("random-transform",), "repeated-transform"),
        (in_place, (), "transform-in-place"),
        (by_batch, (), "transform-mixes-rows"),
        (shuffling, (), "transform-mixes-rows"),
        (last_digits, (), "transform-jumps"),
        (roots, (), "nonfinite-data"),
    ],
)
def test_a_mistake_is_named(transform: Callable, declare: tuple, code: str) -> None:
    assert code in codes(transform, *declare)


def test_the_batch_that_was_tried_is_read_all_the_same() -> None:
    def stream() -> Iterator[Batch]:
        yield from ({"x": X[i : i + 16]} for i in range(0, 64, 16))

    for train in (stream, stream()):
        report = jd.check_data(train, transform=scaled)
        assert report.said == ("train: 64 rows read.",)
        assert report["transform"].word == "pass"


def test_the_users_arrays_are_left_alone() -> None:
    before = X.copy()
    codes(in_place)
    assert (before == X).all()
