"""Payloads as strict JSON with a schema's name.

The encoding, for whoever reads it back:

| Python or NumPy | JSON |
|---|---|
| NaN, infinity, minus infinity | the strings "NaN", "Infinity", "-Infinity" |
| other real numbers, bool, None | number, true or false, null |
| complex number | object with "real" and "imag" |
| str | string, whole; everything outside ASCII is escaped |
| enum member | its value |
| dataclass, named tuple, mapping with string keys | object |
| tuple, list, array | list |

A lone surrogate is written as its escape (`\\udc80`), which keeps the file valid ASCII;
Python's `json.loads` gives the same string back. Nothing else is turned into text by
guessing: an object outside the table is refused with its place in the payload.
"""

import dataclasses
import enum
import json
import math
import numbers
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jaxdebug.reports.literal import show_name

_SCHEMA = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*/[0-9]+")


def render_json(payload: Any, *, schema: str) -> str:
    """Render a payload as strict JSON with the schema's name in front.

    Args:
        payload: A mapping with string keys, a dataclass or a named tuple.
        schema: Name and version, such as "jaxdebug.audit/1".

    Returns:
        Indented ASCII JSON that ends in a line break.

    Raises:
        TypeError: Something in the payload has no encoding; the message says where.
        ValueError: The schema is misspelled, or the payload has a "schema" already.

    Example:
        >>> print(render_json({"error": float("nan")}, schema="jaxdebug.audit/1"))
        {
          "schema": "jaxdebug.audit/1",
          "error": "NaN"
        }
        <BLANKLINE>
    """
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(
            "a schema must be a dotted name and a version, such as "
            f"'jaxdebug.audit/1'; found schema={schema!r}"
        )
    encoded = _encode(payload, "payload")
    if not isinstance(encoded, dict):
        raise TypeError(
            "the payload of a JSON report must be a mapping, a dataclass or a named "
            f"tuple; found {type(payload).__name__}"
        )
    if "schema" in encoded:
        raise ValueError(
            'the payload must not have a key "schema", which is written from '
            f"schema={schema!r}; rename the key"
        )
    whole = {"schema": schema, **encoded}
    return json.dumps(whole, indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def json_value(value: Any) -> Any:
    """Turn a value into what strict JSON knows, by the table above.

    Raises:
        TypeError: Something in it has no encoding; the message says where.

    Example:
        >>> json_value({"steps": (1, 2), "loss": float("inf")})
        {'steps': [1, 2], 'loss': 'Infinity'}
    """
    return _encode(value, "value")


def _encode(value: Any, where: str) -> Any:
    """Turn a value into dicts, lists and scalars that strict JSON knows."""
    # Enums first: members of StrEnum and IntEnum are strings and integers too.
    if isinstance(value, enum.Enum):
        return _encode(value.value, where)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, numbers.Number):
        return _encode_number(value, where)
    if isinstance(value, Mapping):
        return _encode_items(value.items(), where)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return _encode_items(((f.name, getattr(value, f.name)) for f in fields), where)
    as_dict = getattr(value, "_asdict", None)
    if isinstance(value, tuple) and as_dict is not None:
        return _encode_items(as_dict().items(), where)
    if isinstance(value, list | tuple):
        return [_encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return _encode_array(value, where)


def _encode_number(value: numbers.Number, where: str) -> Any:
    # NumPy counts a duration among the integers; its unit would be lost.
    if getattr(getattr(value, "dtype", None), "kind", "") == "m":
        raise _refusal(value, where)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else f"{'-' * (number < 0)}Infinity"
    if isinstance(value, numbers.Complex):
        # Parts are encoded one by one: either may be NaN while the other is not.
        parts = (("real", value.real), ("imag", value.imag))
        return _encode_items(parts, where)
    raise _refusal(value, where)


def _encode_items(items: Iterable[tuple[Any, Any]], where: str) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    for raw, item in items:
        key = raw.value if isinstance(raw, enum.Enum) else raw
        if not isinstance(key, str):
            raise TypeError(
                f"keys of a JSON object must be strings; found {key!r} "
                f"({type(key).__name__}) in {where}; convert it with str() first"
            )
        encoded[str.__str__(key)] = _encode(item, f"{where}[{show_name(key)!r}]")
    return encoded


def _encode_array(value: Any, where: str) -> Any:
    import numpy as np

    if not isinstance(value, np.ndarray | np.generic):
        raise _refusal(value, where)
    # Records would lose their field names, dates and durations their unit.
    if value.dtype.names or value.dtype.kind in "mM":
        raise _refusal(value, where)
    return _encode(value.tolist(), where)


def _refusal(value: Any, where: str) -> TypeError:
    return TypeError(
        "a JSON report holds numbers, strings, bools, None, enums, NumPy arrays, "
        "dataclasses, mappings, lists and tuples; found "
        f"{type(value).__name__} at {where}; convert it first, a JAX array with "
        "numpy.asarray"
    )
