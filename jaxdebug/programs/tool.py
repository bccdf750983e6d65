"""What a tool tells the interpreter: a visitor, and how its records add up.

The interpreter and its rules know no tool. A tool is a record of functions:

- `visit` stands around every equation. It receives the equation, its operands
  and `proceed`, which runs the equation in the usual way and goes into its
  bodies. It returns the results and the records it made here.
- A *value* stands for one array of the program. It is that array, or any pytree
  of arrays that the tool carries along (two precisions, a value and a mark).
  Leaves that ride through a scan's rows keep the array's leading axis.
- A *record* is a pytree of arrays under a name unique in the program. Records
  made inside a loop become one row for each iteration, or are added up by
  `combine`, starting from `empty`; those of a branch not taken are `empty`;
  those of shards are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

from jaxdebug.programs.equation import Equation, Level

Value = Any
Record = Any
Records = dict[Hashable, Record]
Outcome = tuple[list[Value], Records]
Proceed = Callable[[Equation, list[Value]], Outcome]
"""Evaluates an equation on operands, as it stands or by its rule."""


class Visitor(Protocol):
    """Stands around every equation."""

    def __call__(
        self,
        equation: Equation,
        operands: list[Value],
        proceed: Proceed,
    ) -> Outcome: ...


class Accumulator(NamedTuple):
    """How records add up over iterations, branches and shards."""

    empty: Callable[[Record], Record]
    """The neutral record, from a record of avals."""
    combine: Callable[[Record, Record, Any], Record]
    """Add one more record; the last argument is its iteration or shard, int32."""
    rows: Callable[[int], bool]
    """Whether a scan of this length keeps one row for each iteration."""


def _no_records(*_: Any) -> Any:
    raise TypeError("this tool makes no records and cannot add them up")


NO_RECORDS = Accumulator(_no_records, _no_records, lambda length: True)


class Tool(NamedTuple):
    """Everything the interpreter asks of a tool."""

    visit: Visitor
    accumulate: Accumulator = NO_RECORDS
    enters: Callable[[Equation], bool] = lambda equation: True
    """False: nothing in the bodies concerns the tool, run the equation as it is."""
    leave: Callable[[Level, Records], Records] = lambda level, records: records
    """What becomes of the records of a level at its end, before they leave it."""
    lift: Callable[[Any], Value] = lambda array: array
    """The value that stands for a constant or literal array."""
    native: Callable[[Value], Any] = lambda value: value
    """The array that decides a branch or ends a loop."""
    tracing: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Context in which the user's own Python is traced, as it was before."""
    foreign: Callable[[Equation, Sequence[Value]], list[Value]] = (
        lambda equation, operands: equation.bind(operands)
    )
    """Runs an equation that nothing sees into on the tool's values."""


def _visit_nothing(
    equation: Equation,
    operands: list[Value],
    proceed: Proceed,
) -> Outcome:
    return proceed(equation, operands)


IDENTITY = Tool(_visit_nothing)
"""Changes nothing and records nothing, yet goes through every rule."""
