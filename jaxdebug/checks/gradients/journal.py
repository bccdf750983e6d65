"""Reports of gradient checks in a file, so that a long run can be taken up again."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from jaxdebug.checks.arguments import AuditInputError
from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.programs._jax import ir
from jaxdebug.programs.random_keys import without_keys

SCHEMA = "jaxdebug.gradients-resume/1"


def fingerprint(
    program: ir.ClosedJaxpr, leaves: Sequence[Any], **settings: Any
) -> dict[str, Any]:
    """What tells one run from another.

    Args:
        program: of the gradient: another one after a rule was mended.
        leaves: flat arguments.
        settings: of the check.
    """
    texts = {name: str(value) for name, value in settings.items()}
    # Where a function lies in memory is no part of it.
    written = re.sub(r"0x[0-9a-f]+", "", str(program.jaxpr))
    code = hashlib.sha256(written.encode())
    return {
        "schema": SCHEMA,
        **texts,
        "program": _hashed([*_constants(program)], code),
        "arguments": _hashed(leaves, hashlib.sha256()),
    }


def _constants(program: ir.ClosedJaxpr) -> Iterator[Any]:
    """What a program closes over; a jitted function in it keeps its own."""
    yield from program.consts
    for equation in program.jaxpr.eqns:
        for body in ir.nested_jaxprs(equation):
            yield from _constants(body)


def _hashed(leaves: Sequence[Any], digest: Any) -> str:
    for leaf in leaves:
        array = np.asarray(without_keys(leaf))
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def read_journal(
    path: str | os.PathLike[str], run: Mapping[str, Any]
) -> dict[int, GradientReport]:
    """Reports that a file holds of a run; begins the file if there is none.

    A line that was cut off, as by a crash, is dropped.

    Raises:
        AuditInputError: if the file is of another run, or no such file.
    """
    file = Path(path)
    another = AuditInputError(
        f"expected resume={str(path)!r} to be a file that such a check wrote, or "
        "none; found another one. Give another path."
    )
    if file.exists() and not file.is_file():
        raise another
    try:
        text = file.read_text("utf-8") if file.exists() else ""
    except UnicodeDecodeError:
        raise another from None
    if "\n" not in text and json.dumps(run).startswith(text):
        # None, or one that was cut off as it was begun.
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(run) + "\n", "utf-8")
        return {}
    first, *lines = text.split("\n")
    try:
        begun = json.loads(first)
    except json.JSONDecodeError:
        raise another from None
    if not isinstance(begun, dict) or begun.get("schema") != SCHEMA:
        raise another
    other = [name for name, value in run.items() if begun.get(name) != value]
    if other:
        raise AuditInputError(
            f"expected resume={str(path)!r} to be of this check; found one with other "
            f"{', '.join(other)}. Give another path, or delete the file to start anew."
        )
    whole = lines[:-1]  # what follows the last line break was cut off
    found = {}
    for number, line in enumerate(whole, 2):
        try:
            record = json.loads(line)
            found[record["index"]] = report_of(record["report"])
        except (ValueError, TypeError, KeyError):
            raise AuditInputError(
                f"expected resume={str(path)!r} to hold one report a line; found "
                f"another thing in line {number}. Delete that line: what it held is "
                "checked again."
            ) from None
    file.write_text("\n".join([first, *whole, ""]), "utf-8")
    return found


def append(
    path: str | os.PathLike[str], reports: Sequence[tuple[int, GradientReport]]
) -> None:
    """Write reports down."""
    lines = [
        json.dumps({"index": index, "report": json.loads(report.to_json())}) + "\n"
        for index, report in reports
    ]
    with Path(path).open("a", encoding="utf-8") as file:
        file.writelines(lines)


def report_of(record: Mapping[str, Any]) -> GradientReport:
    """The report that a JSON record was made of."""
    return _built(GradientReport, record)


def _built(kind: Any, value: Any) -> Any:
    """A value of a type from what JSON has of it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        chosen = [each for each in inner if each is not type(None)]
        return None if value is None else _built(chosen[0], value)
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[1:] == (...,) else inner
        return tuple(
            _built(each, item) for each, item in zip(kinds, value, strict=True)
        )
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        names = getattr(kind, "_fields", None) or [
            field.name for field in dataclasses.fields(kind)
        ]
        make: Any = kind
        return make(**{n: _built(hints[n], value[n]) for n in names if n in value})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    return float(value) if kind is float else value
