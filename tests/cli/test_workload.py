"""A workload refuses what cannot be right, and says what to give instead."""

import inspect
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.workload import WorkloadError, first_batch


def loss_fn(params: Any, batch: Any) -> Any:
    return (params * batch).sum()


def make(**changes: Any) -> jd.Workload:
    given = {"loss_fn": loss_fn, "params": np.ones(2), "train": [np.ones(2)]}
    return jd.Workload(**{**given, **changes})


def batches() -> Iterator[np.ndarray]:
    yield np.full(2, 5.0)


class OnlyGetItem:
    """As the data sets of some libraries."""

    def __getitem__(self, index: int) -> int:
        if index >= 2:
            raise IndexError(index)
        return index + 10


def test_defaults_and_a_full_workload() -> None:
    workload = make()
    assert workload.name == "workload"
    assert workload.extra == ()
    assert make(
        extra=(1,),
        has_aux=True,
        next_extra=lambda extra, aux, step: extra,
        eval_loss_fn=loss_fn,
        predict_fn=loss_fn,
        inputs="image",
        targets=1,
        declare=("causal", "frozen:encoder/*", "permutation-invariant"),
        eval=batches,
        test=[1],
        optimizer=optax.adam(1e-3),
        train_step=lambda state, batch: (state, {}),
        state={},
        name="[bold]\x1b",
    )


def test_frozen_keyword_only_and_short_to_print() -> None:
    workload = make(name="net", params=np.zeros(10_000))
    assert repr(workload) == "Workload(name='net')"
    with pytest.raises(FrozenInstanceError):
        workload.name = "x"
    with pytest.raises(TypeError):
        jd.Workload(loss_fn, np.ones(2), [1])


def test_every_field_is_documented() -> None:
    documentation = inspect.getdoc(jd.Workload) or ""
    documented = documentation.partition("Args:")[2].partition("Raises:")[0]
    named = [
        line.strip().partition(":")[0]
        for line in documented.splitlines()
        if line.startswith(" " * 4) and line[4:5] != " "
    ]
    assert named == [field.name for field in fields(jd.Workload)]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"loss_fn": 3},
            TypeError,
            r"loss_fn must be a function called as loss_fn\(params",
        ),
        ({"params": None}, TypeError, "params must be a pytree"),
        ({"train": batches()}, TypeError, "an iterator, which can be read only once"),
        ({"train": iter([1])}, TypeError, "can be read only once"),
        ({"eval": batches()}, TypeError, "eval must be iterable more than once"),
        ({"train": 3}, TypeError, "found train=3"),
        ({"train": None}, TypeError, "found train=None"),
        ({"train": "abc"}, TypeError, "characters"),
        ({"train": {"x": 1}}, TypeError, r"write train=\[batch\]"),
        ({"train": lambda size: size}, TypeError, "which needs size"),
        ({"extra": [1]}, TypeError, r"extra=<list>.*extra=\(value,\)"),
        ({"has_aux": 1}, TypeError, "has_aux must be True or False; found has_aux=1"),
        ({"next_extra": 1}, TypeError, r"next_extra\(extra, aux, step\)"),
        ({"eval_loss_fn": 1}, TypeError, "eval_loss_fn must be a function"),
        ({"predict_fn": 1}, TypeError, "predict_fn must be a function"),
        ({"inputs": 1.5}, TypeError, "inputs must be a key, an index or a function"),
        ({"targets": True}, TypeError, "targets must be a key"),
        ({"declare": "causal"}, TypeError, "declare must be a tuple of str"),
        ({"declare": ("caussal",)}, ValueError, "found 'caussal' in declare"),
        ({"test": 3}, TypeError, "test must be an iterable of batches"),
        ({"optimizer": optax.adam}, TypeError, "Call the constructor"),
        ({"train_step": 1}, TypeError, "train_step must be a function"),
        ({"train_step": loss_fn}, ValueError, "train_step needs the state"),
        ({"name": 3}, TypeError, "name must be a str; found name=3"),
        ({"name": " "}, ValueError, "name must not be empty"),
    ],
)
def test_what_is_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        make(**changes)
    assert str(refused.value).startswith("Workload: ")


@pytest.mark.parametrize(
    ("train", "expected"),
    [([7, 8], 7), (lambda: iter([7, 8]), 7), (lambda: [7], 7), (OnlyGetItem(), 10)],
)
def test_first_batch(train: Any, expected: int) -> None:
    workload = make(train=train)
    assert first_batch(workload) == expected
    assert first_batch(workload) == expected, "a workload is read more than once"


def test_first_batch_of_a_generator_function() -> None:
    np.testing.assert_array_equal(first_batch(make(train=batches)), [5.0, 5.0])


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([], "expected at least one batch from train; found none in train"),
        (lambda: iter([]), "found none in what the function train returned"),
        (lambda: 3, "what the function train returned must be an iterator"),
        (lambda: None, "found None"),
    ],
)
def test_first_batch_when_there_is_none(train: Any, message: str) -> None:
    with pytest.raises(WorkloadError, match=message) as refused:
        first_batch(make(train=train, name="net"))
    assert "'net'" in str(refused.value)


def test_an_exception_of_the_data_is_the_users() -> None:
    def train() -> Iterator[int]:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        first_batch(make(train=train))
