"""How the origin of a value that is not finite is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxdebug.checks.nonfinite.origin import OperandValues, Origin
from jaxdebug.checks.report_parts import cut
from jaxdebug.reports import Column, Document, Section, Table, format_number

if TYPE_CHECKING:
    from jaxdebug.checks.nonfinite.report import NonfiniteInput, NonfiniteReport


def nonfinite_document(report: NonfiniteReport) -> Document:
    """The document of a search for what made a value not finite."""
    sections: list[Section] = []
    if report.failed is not None:
        sections.append(_origin("What failed", report.failed))
    if report.cause is not None:
        sections.append(_origin("The cause", report.cause))
    if report.given is not None:
        sections.append(_input(report.given))
    if report.remedies:
        sections.append(Section("What to try", (), listing=report.remedies))
    if report.outputs:
        sections.append(_outputs(report))
    if report.notes:
        sections.append(Section("Notes", (), listing=report.notes))
    seconds = f"{report.cost['seconds']:.1f} s with compilation"
    sections.append(Section("Cost", (seconds,)))
    title = f"values of {report.name} that are not finite"
    return Document(title, report.verdict, report.reason, tuple(sections))


def _origin(title: str, origin: Origin) -> Section:
    return Section(title, tuple(_sentences(origin)), _operands(origin))


def _sentences(origin: Origin) -> Iterator[str]:
    at = f" at {origin.line}" if origin.line else ""
    direction = f" ({origin.direction})"
    yield f"{origin.primitive} in {origin.layer}{at}{direction}: {origin.reason}."
    if origin.forward_line and origin.forward_line != origin.line:
        yield f"It is the derivative of what stands at {origin.forward_line}."
    where = []
    if origin.iteration:
        where.append(f"iteration {_index(origin.iteration)}")
    if origin.branch:
        where.append(f"branch {_index(origin.branch)}")
    where += [f"device {place} along {axis}" for axis, place in origin.device]
    size = 1
    for length in origin.shape:
        size *= length
    element = f"element {_index(origin.index)} of " if origin.index else ""
    where.append(
        f"{element}{origin.dtype}{list(origin.shape)}, where "
        f"{format_number(origin.bad)} of {format_number(size)} are not finite"
    )
    yield "; ".join(where).capitalize() + "."


def _index(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else str(numbers)


def _operands(origin: Origin) -> Table | None:
    columns = (
        Column("operand", "status"),
        Column("at the element", "number"),
        Column("smallest", "number"),
        Column("largest", "number"),
        Column("nan", "number"),
        Column("inf", "number"),
    )
    rows = [
        (
            f"{operand.dtype}{list(operand.shape)}",
            _value(operand),
            operand.low,
            operand.high,
            operand.nan,
            operand.infinite,
        )
        for operand in origin.operands
    ]
    return cut(columns, rows) if rows else None


def _value(operand: OperandValues) -> float | int | bool | str | None:
    return operand.value


def _input(given: NonfiniteInput) -> Section:
    element = f", element {_index(given.index)}" if given.index else ""
    return Section(
        "In an input already",
        (
            f"{given.name}{element} is {given.value}; of {given.dtype}"
            f"{list(given.shape)} {format_number(given.nan)} are NaN and "
            f"{format_number(given.infinite)} infinite.",
        ),
    )


def _outputs(report: NonfiniteReport) -> Section:
    columns = (
        Column("output", "path"),
        Column("dtype", "status"),
        Column("nan", "number"),
        Column("inf", "number"),
    )
    rows = [
        (o.name, f"{o.dtype}{list(o.shape)}", o.nan, o.infinite) for o in report.outputs
    ]
    return Section("Outputs that are not finite", (), cut(columns, rows))
