"""The calls of functions with custom rules that a derivative goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxdebug.programs._jax import calls, ir
from jaxdebug.programs.coverage import FOREIGN
from jaxdebug.programs.equation import CUSTOM_RULES, Address, Equation
from jaxdebug.programs.graph import Graph, reached
from jaxdebug.programs.places import is_inexact


@dataclass(frozen=True)
class CallSite:
    """One call of a function with a custom rule, in the program."""

    address: Address
    equation: Equation
    moving: tuple[int, ...]
    """Operands that depend on what is differentiated by. One that is handed over
    several times counts once: a rule may put all of its derivative on one of them."""
    body: str
    """How the body can be differentiated: "reverse", "forward" or "differences"."""

    def places(self, operand: int) -> list[int]:
        """Everywhere where an operand is handed over."""
        atoms = self.equation.raw.invars
        return [index for index, atom in enumerate(atoms) if atom is atoms[operand]]


def call_sites(graph: Graph, inputs: Sequence[int]) -> list[CallSite]:
    """The calls of functions with custom rules that a derivative goes through.

    Args:
        graph: the flow of the program.
        inputs: indices of the flat inputs that are differentiated by.
    """

    def after(node: int) -> list[int]:
        steps = [s for s in graph.readers.get(node, ()) if not s.opened]
        return [*graph.feeds.get(node, ()), *(n for s in steps for n in s.results)]

    moved = set(reached([graph.inputs[index] for index in inputs], after))
    found = []
    for step in graph.steps:
        if step.equation.primitive not in CUSTOM_RULES:
            continue
        moving = tuple(
            index
            for index, node in enumerate(step.operands)
            if node in moved and is_inexact(graph.avals[node])
        )
        atoms = step.equation.raw.invars
        first = {id(atoms[index]): index for index in reversed(moving)}
        moving = tuple(sorted(first.values()))
        if moving:
            body = calls.view_custom_rule(step.equation.raw).body
            found.append(
                CallSite(step.address, step.equation, moving, differentiable(body))
            )
    return found


def differentiable(jaxpr: ir.ClosedJaxpr) -> str:
    """How a body without custom rules can be differentiated."""
    kinds = {_kind(equation) for equation in jaxpr.jaxpr.eqns}
    for kind in ("differences", "forward"):
        if kind in kinds:
            return kind
    return "reverse"


def _kind(equation: ir.JaxprEqn) -> str:
    name = equation.primitive.name
    if name in FOREIGN:
        return "differences"
    inside = {differentiable(jaxpr) for jaxpr in ir.nested_jaxprs(equation)}
    if "differences" in inside:
        return "differences"
    return "forward" if name == "while" or "forward" in inside else "reverse"
