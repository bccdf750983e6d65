"""How many classes a model has, as the check of its data is told."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.subject import Subject
from jaxdebug.preflight.data import class_count
from tests.checks.small_workloads import blobs, classifier, predict


@pytest.mark.parametrize(
    ("labels", "found"),
    [(lambda y: y, []), (lambda y: np.round(y / 3).astype(np.int32), ["empty-class"])],
    ids=["whole", "rounded"],
)
def test_a_class_of_the_outputs_without_rows_is_found(
    labels: Any, found: list[str]
) -> None:
    workload = classifier(train=[(x, labels(y)) for x, y in blobs()], eval=None)
    report = jd.checkup(workload, only=["data"])
    assert [one.code for one in report["data/labels"].findings] == found


def test_outputs_with_room_for_other_classes_say_nothing() -> None:
    def wide(params: Any, batch: Any) -> jax.Array:
        return jax.numpy.pad(predict(params, batch), ((0, 0), (0, 7)))

    def loss(params: Any, batch: Any) -> jax.Array:
        logits = wide(params, batch)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])
        return each.mean()

    def broken(params: Any, batch: Any) -> jax.Array:
        raise KeyError("logits")

    assert class_count(Subject(classifier())) == 3
    assert class_count(Subject(classifier(loss_fn=loss, predict_fn=wide))) is None
    assert class_count(Subject(classifier(predict_fn=broken))) is None
    assert class_count(Subject(classifier(predict_fn=None))) is None
