"""Where the way from an input to the outputs passes values but no derivative."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatch
from typing import NamedTuple

import jax
import numpy as np

from jaxdebug.programs._jax import calls
from jaxdebug.programs._jax.source import Line, call_chain
from jaxdebug.programs.coverage import FOREIGN
from jaxdebug.programs.equation import CUSTOM_RULES, Address, Equation
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import is_inexact

STILL = frozenset({"stop_gradient", "round", "floor", "ceil", "sign", "nextafter"})
"""Primitives that give floats whose derivative is zero. Those that give integers or
booleans have none."""


class Cut(NamedTuple):
    """An equation that a derivative does not pass."""

    what: str
    """`stop_gradient`, `round`, `argmax`, `cast to int32`, `rule of NAME`."""
    line: Line | None
    equation: Equation

    @property
    def decides(self) -> bool:
        """Whether it gives booleans, as the comparison in front of a where does."""
        dtypes = [getattr(var.aval, "dtype", None) for var in self.equation.raw.outvars]
        return all(jax.dtypes.issubdtype(dtype, np.bool_) for dtype in dtypes)

    def __str__(self) -> str:
        return f"{self.what} at {self.line}" if self.line else self.what


class Way(NamedTuple):
    """How an input reaches the outputs of a program."""

    read: bool
    """Whether any output depends on it."""
    open: bool
    """Whether a derivative may pass from it to an inexact output."""
    cuts: tuple[Cut, ...]
    """Those that lead on to an output, the nearest to the input first."""


def way_of(graph: Graph, node: int, silent: Collection[Address] = ()) -> Way:
    """How an input reaches the outputs.

    Args:
        graph: the flow of the program, before it is differentiated.
        node: of the input.
        silent: calls of custom rules whose derivative is zero.

    Limits:
        A derivative that is zero by arithmetic, as behind a factor of zero, is not
        seen here.
    """
    outputs = {output for output in graph.outputs if output is not None}
    leads = {before for output in outputs for before in graph.before(output)}
    inexact = {output for output in outputs if is_inexact(graph.avals[output])}
    seen, queue = {node}, deque([node])
    cuts: dict[Address, Cut] = {}
    is_open = False
    while queue:
        current = queue.popleft()
        is_open = is_open or current in inexact
        for step, onward in _after(graph, current):
            what = _cut(graph, step, silent) if step is not None else None
            if step is not None and what is not None:
                if any(result in leads for result in step.results):
                    cut = Cut(what, step.equation.line, step.equation)
                    cuts.setdefault(step.address, cut)
                continue
            fresh = [later for later in onward if later not in seen]
            seen.update(fresh)
            queue.extend(fresh)
    return Way(node in leads, is_open, tuple(cuts.values()))


def undifferentiable(graph: Graph, node: int) -> Equation | None:
    """The equation nearest to an input that JAX has no reverse derivative of.

    A kernel, a host function or a while loop that a derivative would go through.
    """
    seen, queue = {node}, deque([node])
    while queue:
        current = queue.popleft()
        for step, onward in _after(graph, current):
            if step is not None and _cut(graph, step, ()) is not None:
                continue
            if step is not None and step.equation.primitive in FOREIGN:
                return step.equation
            for later in onward:
                entered = graph.entered.get(later)
                moves = is_inexact(graph.avals[later])
                if entered and moves and entered[0].equation.primitive == "while":
                    return entered[0].equation
                if later not in seen:
                    seen.add(later)
                    queue.append(later)
    return None


def _after(graph: Graph, node: int) -> Iterator[tuple[Step | None, Sequence[int]]]:
    """What comes right after a node: past an equation, or passed on unchanged.

    A call with a custom rule is passed as one equation: its rule decides what becomes
    of a derivative, not its body.
    """
    for step in graph.readers.get(node, ()):
        if not step.opened or step.equation.primitive in CUSTOM_RULES:
            yield step, step.results
    for later in graph.feeds.get(node, ()):
        entered = graph.entered.get(later)
        if entered is None or entered[0].equation.primitive not in CUSTOM_RULES:
            yield None, [later]


def _cut(graph: Graph, step: Step, silent: Collection[Address]) -> str | None:
    """What makes an equation a cut, if it is one."""
    name = step.equation.primitive
    if step.address in silent:
        return f"rule of {calls.custom_rule_name(step.equation.raw)[0]}"
    if name in STILL:
        return name
    if not step.results or any(is_inexact(graph.avals[node]) for node in step.results):
        return None
    if name == "convert_element_type":
        return f"cast to {graph.avals[step.results[0]].dtype}"
    return name


def stands_in(equation: Equation, patterns: Sequence[str]) -> bool:
    """Whether an equation was traced in a function of one of these names.

    Args:
        equation: at any depth.
        patterns: names, wildcards allowed.
    """
    around = (*equation.enclosing, equation)
    names = {
        frame[1].rpartition(".")[2] for each in around for frame in call_chain(each.raw)
    }
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)
