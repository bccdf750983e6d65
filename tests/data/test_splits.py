"""What a split may be, and how what it cannot be is refused."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.checks.data.splits import chunks

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 3
Pair = namedtuple("Pair", ["x", "y"])


def read(split: Any, **options: Any) -> tuple[list[str], list[np.ndarray]]:
    """Names and whole arrays of the fields."""
    given = {"inputs": None, "targets": None, **options}
    parts = [*chunks("train", split, **given)]
    names = [f"{field.role}:{field.name}" for field in parts[0].fields]
    whole = [np.concatenate(each) for each in zip(*(p.arrays for p in parts))]  # noqa: B905
    return names, whole


def generator() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    buffer = np.empty((5, 2))
    for start in range(0, 20, 5):
        buffer[:] = X[start : start + 5]  # overwritten by the next batch
        yield buffer, Y[start : start + 5]


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ((X, Y), ["input:0", "target:1"]),
        ((jnp.asarray(X), jnp.asarray(Y)), ["input:0", "target:1"]),
        (Pair(X, Y), ["input:x", "target:y"]),
        ([Pair(X, Y)], ["input:x", "target:y"]),
        (generator, ["input:0", "target:1"]),
        (generator(), ["input:0", "target:1"]),
        ([(X[:7], Y[:7]), (X[7:], Y[7:])], ["input:0", "target:1"]),
        ([(X[:7], Y[:7]), (X[:0], Y[:0]), (X[7:], Y[7:])], ["input:0", "target:1"]),
        ({"x": X, "y": Y}, ["input:x", "input:y"]),
    ],
    ids=[
        "tuple",
        "jax",
        "named",
        "named batch",
        "function",
        "iterator",
        "list",
        "empty batch",
        "dict",
    ],
)
def test_all_rows_are_read_once(split: Any, names: list[str]) -> None:
    found, (x, y) = read(split)
    assert found == names
    assert (x == X).all()
    assert (y == Y).all()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"targets": "y"}, ["target:y", "input:w", "input:x"]),
        ({"inputs": "x", "targets": "y"}, ["input:x", "target:y", "other:w"]),
        (
            {"inputs": lambda b: {"half": b["x"] / 2}, "targets": "y"},
            ["input:inputs/half", "target:y"],
        ),
    ],
)
def test_places_of_inputs_and_targets(options: dict, names: list[str]) -> None:
    split = {"x": X, "y": Y, "w": np.ones(20)}
    assert read(split, **options)[0] == names
    assert read([split], **options)[0] == names


def test_long_sets_come_in_chunks_of_whole_rows() -> None:
    x = np.zeros((5000, 300), np.uint8)
    parts = [*chunks("train", x, None, None)]
    assert [part.start for part in parts] == [*range(0, 5000, parts[0].rows)]
    assert parts[0].rows < 1000
    assert parts[0].fields[0].name == ""


def test_a_limit_cuts_an_endless_iterator() -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield X

    parts = [*chunks("train", endless, None, None, most=50)]
    assert sum(part.rows for part in parts) == 50


def test_what_is_no_array_of_numbers_is_named() -> None:
    split = {
        "x": X,
        "name": np.array(["a"] * 20),
        "key": jax.random.split(jax.random.key(0), 20),
        "step": 3,
        "ragged": np.array([[1], [1, 2]] * 10, object),
    }
    report = jd.check_data(split)
    said = " ".join(report.said)
    for text in ("name (an array of <U1)", "key (random keys)", "step (one number"):
        assert text in said
    assert "ragged (an array of object)" in said
    assert report.ok


def test_labels_of_texts_are_looked_at() -> None:
    texts = np.array(["a", "b"] * 50)
    labels = np.arange(100) % 4 + 1
    splits = [(texts[:60], labels[:60]), (texts[60:], labels[60:])]
    for given in (splits, [[one] for one in splits]):
        report = jd.check_data(*given, num_classes=4)
        assert report["labels"].word == "fail"
        assert report["leakage"].said == "no input is an array of numbers"
    with pytest.raises(ValueError, match="expected inputs= beside targets="):
        jd.check_data({"x": X, "y": Y}, targets=lambda batch: batch["y"])


def test_a_field_of_several_shapes_is_left_out() -> None:
    sequences = [{"x": X[:4], "t": np.zeros((4, 3 + i % 2))} for i in range(6)]
    report = jd.check_data(sequences)
    assert "t (its rows have several shapes)" in " ".join(report.said)


@pytest.mark.parametrize("dtype", ["bfloat16", "uint8", "float16", "complex64", "bool"])
def test_every_dtype_of_numbers_is_read(dtype: str) -> None:
    random = np.random.default_rng(0)
    x = jnp.asarray(random.integers(0, 2, (64, 3)), dtype)
    report = jd.check_data((x, jnp.asarray(random.integers(0, 2, 64))))
    assert report.ok
    assert dtype in report["layout"].said


@pytest.mark.parametrize(
    ("train", "error", "text"),
    [
        ((X, Y[:7]), ValueError, "one number of rows; found 7, 20"),
        ([(X, Y[:7])], ValueError, "0 has 20, train/1 has 7"),
        ([], ValueError, "train to have at least one row"),
        (iter([]), ValueError, "a function that returns a fresh one"),
        (X[:0], ValueError, "at least one row"),
        ([(X, Y), (X,)], ValueError, "the fields of the first"),
        (3, TypeError, "an iterable of batches"),
        ("train.csv", TypeError, "found str"),
        (lambda path: None, TypeError, "needs path"),
        (lambda: 3, TypeError, "what the function train returned"),
        (None, TypeError, "found train=None"),
        ({"x": "text"}, ValueError, "x is a str"),
        ({}, ValueError, "an empty pytree"),
    ],
)
def test_what_is_no_split_is_refused(train: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        jd.check_data(train)


def test_splits_that_do_not_belong_together_are_refused() -> None:
    iterator = iter([(X, Y)])
    with pytest.raises(ValueError, match="the iterator that is train too"):
        jd.check_data(iterator, iterator)
    with pytest.raises(ValueError, match="eval to have the fields of train: 0, 1"):
        jd.check_data((X, Y), X)
    with pytest.raises(ValueError, match="inputs='z' to be a key"):
        jd.check_data({"x": X}, inputs="z")
