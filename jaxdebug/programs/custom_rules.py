"""The custom derivative rules that a program calls, by name and definition."""

from __future__ import annotations

from typing import NamedTuple

from jaxdebug.programs._jax import calls
from jaxdebug.programs._jax.source import Line, is_users
from jaxdebug.programs.graph import Graph

PRIMITIVES = ("custom_jvp_call", "custom_vjp_call")


class CustomRule(NamedTuple):
    """A function with a derivative rule of its own."""

    name: str
    defined: str
    """`file:line` of the decorated function."""
    called: Line | None

    def __str__(self) -> str:
        return f"{self.name} ({self.defined})"


def users_rules_after(graph: Graph, node: int) -> tuple[CustomRule, ...]:
    """The user's own rules that a value goes through, each once."""
    found: dict[tuple[str, str], CustomRule] = {}
    for step in graph.steps_after(node):
        if step.equation.primitive not in PRIMITIVES:
            continue
        name, defined = calls.custom_rule_name(step.equation.raw)
        if defined and is_users(defined.rsplit(":", 1)[0]):
            rule = CustomRule(name, defined, step.equation.line)
            found.setdefault((name, defined), rule)
    return tuple(found.values())
