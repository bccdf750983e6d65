"""The summands of a scalar: those that depend on some inputs, and those that do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

import jax.numpy as jnp

from jaxdebug.programs.equation import Address, Equation
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.primitives import RESHAPING, SUMS, UNCHANGED
from jaxdebug.programs.tool import Outcome, Proceed, Tool, Value

LINEAR = frozenset({"mul", "div", "neg"})
SHAPES = RESHAPING | UNCHANGED | {"reduce_precision"}

Operands = dict[Address, set[int]]
"""Which operands of which equations."""


class Summands(NamedTuple):
    """Operands of the sums that make a scalar."""

    dependent: Operands
    """Those that depend on the inputs that were asked for."""
    independent: Operands
    """Those that depend on other inputs alone."""


def summands(graph: Graph, output: int, asked: Collection[int]) -> Summands:
    """Part the sum that makes an output.

    Only sums of scalars are followed, through products with what depends on no input.

    Args:
        graph: the flow of the program.
        output: a node.
        asked: nodes of inputs.
    """
    found = Summands(defaultdict(set), defaultdict(set))
    wanted, inputs = set(asked), set(graph.inputs)

    def parts(node: int) -> bool:
        """Whether the node is a sum with summands of both kinds in it."""
        step = graph.made_by[node]
        if step is None or step.opened:
            sources = graph.fed_by.get(node, [])
            return len(sources) == 1 and parts(sources[0])
        if step.equation.primitive in SUMS:
            kinds = [_kind(graph, n, wanted, inputs) for n in step.operands]
            if "independent" in kinds and "dependent" in kinds:
                for number, kind in enumerate(kinds):
                    if kind == "independent":
                        found.independent[step.address].add(number)
                    elif kind == "dependent":
                        _go(step, number)
                return True
            below = [
                number
                for number, (kind, operand) in enumerate(
                    zip(kinds, step.operands, strict=True)
                )
                if kind == "dependent" and operand is not None and parts(operand)
            ]
            for number, kind in enumerate(kinds):
                if below and kind == "dependent" and number not in below:
                    found.dependent[step.address].add(number)
            return bool(below)
        through = _only_operand(graph, step, inputs)
        return through is not None and parts(through)

    def _go(step: Step, number: int) -> None:
        operand = step.operands[number]
        if operand is None or not parts(operand):
            found.dependent[step.address].add(number)

    parts(output)
    return found


def without(left_out: Operands) -> Tool:
    """A tool that puts zeros in the place of some operands."""

    def visit(equation: Equation, operands: list[Value], proceed: Proceed) -> Outcome:
        gone = left_out.get(equation.address, ())
        return proceed(
            equation,
            [jnp.zeros_like(x) if i in gone else x for i, x in enumerate(operands)],
        )

    return Tool(visit)


def _kind(graph: Graph, node: int | None, wanted: set[int], inputs: set[int]) -> str:
    if node is None:
        return "constant"
    before = {*graph.before(node)}
    if before & wanted:
        return "dependent"
    return "independent" if before & inputs else "constant"


def _only_operand(graph: Graph, step: Step, inputs: set[int]) -> int | None:
    """The one operand of a linear equation that depends on an input."""
    name = step.equation.primitive
    if name not in LINEAR | SHAPES:
        return None
    some = [*_depending(graph, step, inputs)]
    if len(some) != 1 or (name == "div" and some[0] != step.operands[0]):
        return None
    return some[0]


def _depending(graph: Graph, step: Step, inputs: set[int]) -> Iterator[int]:
    for node in step.operands:
        if node is not None and inputs & {*graph.before(node)}:
            yield node
