"""What cannot be called or read at all is found, and never passes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.checks.contracts.calls import calls
from jaxdebug.checks.subject import Subject
from jaxdebug.preflight.data import data, first_layer
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import blobs, classifier, loss_fn, predict

BATCHES = blobs()[:2]


class Once:
    """A loader that hands on the same iterator each time."""

    def __init__(self) -> None:
        self.rest = iter(BATCHES)

    def __iter__(self) -> Any:
        return self.rest


class Tensor:
    """An array of another library."""


def misspelt(params: Any, batch: Any) -> jax.Array:
    return (batch[0] @ params["weights"]).sum()


@pytest.mark.parametrize(
    ("changed", "where", "said"),
    [
        ({"loss_fn": misspelt}, "loss_fn", "KeyError: 'weights'"),
        ({"loss_fn": lambda p, b: (loss_fn(p, b), 1.0)}, "loss_fn", "has_aux=True"),
        ({"loss_fn": lambda p, b: predict(p, b)}, "loss_fn", "a scalar loss"),
        ({"loss_fn": lambda p, b, key: 0.0}, "loss_fn", "'key'"),
        ({"predict_fn": misspelt}, "predict_fn", "KeyError: 'weights'"),
        ({"eval_loss_fn": misspelt}, "eval_loss_fn", "KeyError: 'weights'"),
        ({"eval": []}, "eval", "at least one batch from eval"),
        ({"test": []}, "test", "at least one batch from test"),
        ({"train": Once()}, "train", "fresh iterator at every call"),
        ({"train": [(Tensor(), BATCHES[0][1])]}, "train", "found a Tensor at 0"),
        (
            {"train": [{"x": BATCHES[0][0], "id": np.array(["a"] * 16)}]},
            "train",
            "found an array of <U1 at id",
        ),
        ({"train": [(np.ones((0, 4)), np.ones(0, int))]}, "train", "one example or"),
        ({"params": {"w": 1, "b": 2}}, "params", "floating-point arrays"),
        ({"inputs": "image"}, "inputs", "expected inputs='image' in a batch"),
        ({"targets": lambda batch: batch[2]}, "targets", "IndexError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_called_is_found(
    changed: dict[str, Any], where: str, said: str
) -> None:
    outcome = calls(Subject(classifier(**changed)))
    (finding,) = outcome.findings
    assert (finding.code, finding.where) == ("cannot-be-called", where)
    assert said in finding.message


def test_a_healthy_workload_can_be_called() -> None:
    outcome = calls(Subject(classifier(test=BATCHES, eval_loss_fn=loss_fn)))
    assert outcome.word == Verdict.PASS
    assert outcome.said == (
        "params, train, eval, test, loss_fn, predict_fn, eval_loss_fn can be called or "
        "read"
    )


def test_a_line_of_the_users_is_named() -> None:
    (finding,) = calls(Subject(classifier(loss_fn=misspelt))).findings
    assert finding.line is not None
    assert "test_calls.py" in finding.line


def test_a_checkup_of_what_cannot_be_called_fails_and_says_so_once() -> None:
    report = jd.checkup(
        classifier(loss_fn=misspelt), only=["calls", "repeats", "loss-falls"]
    )
    assert report.verdict is Verdict.FAIL
    assert report["repeats"].verdict is Verdict.INCONCLUSIVE
    assert report["repeats"].said.startswith("could not run: KeyError: 'weights' at ")
    assert report["loss-falls"].said == "could not run: as `repeats`"


def test_data_are_looked_at_where_the_loss_raises() -> None:
    broken = [(x, np.where(y == 1, 7, y)) for x, y in BATCHES]
    report = data(Subject(classifier(loss_fn=misspelt, predict_fn=None, train=broken)))
    assert report["finite"].word == Verdict.PASS
    assert "unseen-class" in {one.code for one in report.findings}


def test_what_raises_passes_no_checkup() -> None:
    report = jd.checkup(classifier(loss_fn=misspelt), only=["repeats"])
    assert report.verdict is Verdict.INCONCLUSIVE


def test_inputs_that_are_a_function_of_the_batch_are_looked_at() -> None:
    train = [{"pair": one} for one in BATCHES]
    workload = classifier(
        train=train,
        eval=train,
        loss_fn=lambda params, batch: loss_fn(params, batch["pair"]),
        inputs=lambda batch: batch["pair"][0],
        targets=lambda batch: batch["pair"][1],
    )
    assert first_layer(Subject(workload)) == "linear"
    sliced = classifier(inputs=lambda batch: batch[0][:, :2])
    assert first_layer(Subject(sliced)) is None


def test_fields_of_several_lengths_are_no_table() -> None:
    train = [(x, np.ones(3, np.float32)) for x, _ in BATCHES]
    workload = classifier(
        train=train, eval=None, loss_fn=lambda p, b: jnp.mean(b[0] @ p["w"]) ** 2
    )
    report = jd.checkup(workload, only=["data", "repeats"])
    assert "one number of rows" in report["data"].said
    assert report.verdict is Verdict.PASS
    assert data(Subject(classifier())).verdict is Verdict.PASS
