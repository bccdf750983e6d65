"""JSON is strict, keeps every name whole and says which schema it follows."""

import dataclasses
import datetime
import enum
import json
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.reports import Column, Document, Section, Table, Verdict, render_json

SCHEMA = "jaxdebug.audit/1"
ANYTHING = st.text(st.characters(exclude_categories=()))


def refuse_constant(token: str) -> None:
    raise AssertionError(f"not strict JSON: {token}")


def read(text: str) -> Any:
    return json.loads(text, parse_constant=refuse_constant)


def encoded(value: Any) -> Any:
    return read(render_json({"x": value}, schema=SCHEMA))["x"]


class Point(NamedTuple):
    x: float
    y: float


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Leaf:
    path: str
    errors: np.ndarray


def test_the_schema_comes_first() -> None:
    text = render_json({"b": 1, "a": 2}, schema=SCHEMA)
    assert list(read(text)) == ["schema", "b", "a"]
    assert text == '{\n  "schema": "jaxdebug.audit/1",\n  "b": 1,\n  "a": 2\n}\n'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (np.float32("nan"), "NaN"),
        (np.longdouble("-inf"), "-Infinity"),
        (np.array([1.5, np.nan, -np.inf]), [1.5, "NaN", "-Infinity"]),
        (np.array(2.5), 2.5),
        (np.zeros((2, 0)), [[], []]),
        (np.array([[1, 2]], np.uint8), [[1, 2]]),
        (np.array([True]), [True]),
        (np.bool_(False), False),
        (np.int64(-(2**63)), -(2**63)),
        (np.float64(1e-30), 1e-30),
        (np.longdouble(0.5), 0.5),
        (np.array([0.5], np.longdouble), [0.5]),
        (np.array([0.5, np.nan], ml_dtypes.bfloat16), [0.5, "NaN"]),
        (ml_dtypes.float8_e4m3fn(0.5), 0.5),
        (np.array([-3], ml_dtypes.int4), [-3]),
        (complex(1, float("nan")), {"real": 1.0, "imag": "NaN"}),
        (np.array([1 + 2j]), [{"real": 1.0, "imag": 2.0}]),
        (np.str_("name"), "name"),
        (Verdict.FAIL, "fail"),
        (Level.LOW, 1),
        ((1, (2.0, None)), [1, [2.0, None]]),
        (Point(1.0, float("inf")), {"x": 1.0, "y": "Infinity"}),
        ({Verdict.PASS: 3}, {"pass": 3}),
        (Leaf("a/b", np.array([1.0])), {"path": "a/b", "errors": [1.0]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_encoding(value: Any, expected: Any) -> None:
    found = encoded(value)
    assert found == expected
    assert type(found) is type(expected)


@given(st.floats())
def test_finite_floats_come_back_bit_for_bit(value: float) -> None:
    found = encoded(value)
    if not isinstance(found, str):
        assert np.float64(found).tobytes() == np.float64(value).tobytes()


@given(ANYTHING, ANYTHING)
def test_any_name_comes_back_whole(key: str, value: str) -> None:
    text = render_json({"x": {key: value}}, schema=SCHEMA)
    assert text.isascii()
    assert read(text)["x"] == {key: value}


def test_a_hostile_name_comes_back_whole(hostile: str) -> None:
    table = Table((Column(hostile, "path"),), ((hostile,),))
    section = Section(hostile, (hostile,), table, (hostile,))
    document = Document(hostile, Verdict.FAIL, hostile, (section,))
    found = read(render_json(document, schema=SCHEMA))
    assert found.pop("schema") == SCHEMA
    assert found == {
        "title": hostile,
        "verdict": "fail",
        "headline": hostile,
        "sections": [
            {
                "title": hostile,
                "paragraphs": [hostile],
                "table": {
                    "columns": [{"title": hostile, "kind": "path"}],
                    "rows": [[hostile]],
                    "more": 0,
                },
                "listing": [hostile],
            }
        ],
    }


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1, 2},
        object(),
        Leaf,
        datetime.date(2024, 1, 1),
        np.datetime64("2024-01-01"),
        np.timedelta64(5, "ns"),
        np.array([b"bytes"]),
        np.zeros(1, dtype=[("a", float)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_encoding_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r"at payload\['leaves'\]\[1\]"):
        render_json({"leaves": [0, value]}, schema=SCHEMA)


def test_keys_must_be_strings() -> None:
    with pytest.raises(TypeError, match=r"found 3 \(int\) in payload\['by'\]"):
        render_json({"by": {3: "x"}}, schema=SCHEMA)


@pytest.mark.parametrize("payload", [[1], "x", None, np.zeros(2)], ids=repr)
def test_the_payload_must_be_an_object(payload: Any) -> None:
    with pytest.raises(TypeError, match="must be a mapping"):
        render_json(payload, schema=SCHEMA)


@pytest.mark.parametrize("schema", ["", "audit", "jaxdebug.audit", "a b/1", "x/y"])
def test_a_schema_has_a_name_and_a_version(schema: str) -> None:
    with pytest.raises(ValueError, match="schema="):
        render_json({}, schema=schema)


def test_the_schema_is_never_overwritten() -> None:
    with pytest.raises(ValueError, match="rename the key"):
        render_json({"schema": "mine/1"}, schema=SCHEMA)
