"""What a rule is: the bodies of an equation, and how it runs under a tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax

from jaxdebug.programs._jax import ir
from jaxdebug.programs.equation import Equation, Level
from jaxdebug.programs.tool import Outcome, Record, Tool, Value


class Body(NamedTuple):
    """A jaxpr inside an equation and how values go in and out of it.

    For the static analyses, which follow values without running anything.
    """

    jaxpr: ir.ClosedJaxpr
    operands: tuple[int, ...]
    """For each input of the body: the operand of the equation that feeds it."""
    results: tuple[int | None, ...]
    """For each output of the body: the result of the equation it becomes."""
    feedback: tuple[tuple[int, int], ...] = ()
    """Pairs (output, input) that the next iteration connects."""


class Run(Protocol):
    """Interprets a jaxpr that stands at a level."""

    def __call__(
        self, jaxpr: ir.ClosedJaxpr, values: Sequence[Value], level: Level
    ) -> Outcome: ...


class Rule(NamedTuple):
    """How one primitive with bodies is seen into."""

    bodies: Callable[[Equation], tuple[Body, ...]]
    apply: Callable[[Equation, list[Value], Tool, Run], Outcome]


def plain_body(jaxpr: ir.ClosedJaxpr) -> Body:
    """A body whose inputs and outputs are the equation's own, in order."""
    outputs = len(jaxpr.jaxpr.outvars)
    return Body(jaxpr, tuple(range(len(jaxpr.jaxpr.invars))), tuple(range(outputs)))


def avals(tree: Any) -> Any:
    """The tree with every array replaced by its aval."""
    return jax.tree.map(jax.typeof, tree)


def leaf_counts(values: Sequence[Value]) -> list[int]:
    """How many arrays stand for each value."""
    return [len(jax.tree.leaves(value)) for value in values]


class Retraced(NamedTuple):
    """A body traced again under a tool, on flat arrays.

    The names of the records are kept out of the pytree: they can be hashed but
    need no order.
    """

    jaxpr: ir.ClosedJaxpr
    tree: Any
    names: tuple[Any, ...]

    def unflatten(self, leaves: Sequence[Any]) -> Outcome:
        """Values and records from the flat results."""
        results, records = jax.tree.unflatten(self.tree, leaves)
        return results, dict(zip(self.names, records, strict=True))

    @property
    def structs(self) -> Outcome:
        """Avals of the values and records that come out."""
        return self.unflatten(self.jaxpr.out_avals)


def retrace(
    function: Callable[..., Outcome],
    structs: Sequence[Value],
    like: ir.ClosedJaxpr,
) -> Retraced:
    """Trace a function of values that returns values and records.

    Args:
        function: runs the body under the tool.
        structs: a pytree of avals for each argument.
        like: the jaxpr that is replaced.
    """
    names: list[Any] = []

    def nameless(*values: Value) -> tuple[list[Value], list[Any]]:
        results, records = function(*values)
        names[:] = records
        return results, list(records.values())

    jaxpr, tree = ir.trace_body(nameless, *structs, like=like)
    return Retraced(jaxpr, tree, tuple(names))


def add_records(
    tool: Tool, totals: Sequence[Record], made: Sequence[Record], count: Any
) -> list[Record]:
    """One more iteration's records, added to those before, in one order."""
    combine = tool.accumulate.combine
    return [combine(a, b, count) for a, b in zip(totals, made, strict=True)]
