"""The custom derivative rules that a program calls, by name and definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jaxdebug.programs._jax import calls
from jaxdebug.programs._jax.source import Line, is_users
from jaxdebug.programs.graph import Graph, Step

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
    for step in _steps_after(graph, node):
        if step.equation.primitive not in PRIMITIVES:
            continue
        name, defined = calls.custom_rule_name(step.equation.raw)
        if defined and is_users(defined.rsplit(":", 1)[0]):
            rule = CustomRule(name, defined, step.equation.line)
            found.setdefault((name, defined), rule)
    return tuple(found.values())


def _steps_after(graph: Graph, node: int) -> Iterator[Step]:
    """Every equation whose operands depend on a node."""
    seen, queue = {node}, [node]
    passed: set[int] = set()
    while queue:
        current = queue.pop()
        onward = list(graph.feeds.get(current, ()))
        for step in graph.readers.get(current, ()):
            if id(step) not in passed:
                passed.add(id(step))
                yield step
            if not step.opened:
                onward += step.results
        for later in onward:
            if later not in seen:
                seen.add(later)
                queue.append(later)
