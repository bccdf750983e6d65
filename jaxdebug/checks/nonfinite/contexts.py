"""What a zero or an infinity that made NaN is in the user's terms, and what to try."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from jaxdebug.checks.nonfinite.behind import equations_behind
from jaxdebug.checks.nonfinite.frames import Frame
from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.source import call_chain
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.primitives import HANDING_ON, UNCHANGED
from jaxdebug.programs.scopes import Direction

SINGULAR = (
    "pow", "log", "log1p", "sqrt", "rsqrt", "cbrt", "integer_pow", "div", "acos",
    "asin", "atanh", "acosh", "erf_inv", "abs", "eigh", "svd", "qr", "cholesky",
)  # fmt: skip
"""Operations whose derivative is infinite somewhere, the likeliest first."""


class Context(Enum):
    """A situation that is known, and how it is usually written instead."""

    WHERE = (
        "where: the branch not taken",
        "Give the branch that is not taken a harmless operand too: "
        "jnp.where(ok, f(jnp.where(ok, x, 1)), other).",
    )
    MASKED = (
        "every entry of the row is masked with -inf",
        "Mask with a large finite number, such as jnp.finfo(x.dtype).min, leave one "
        "entry of each row unmasked, or select such rows away before the softmax.",
    )
    NORM = (
        "the norm of a zero vector",
        "Add a small number inside the root, jnp.sqrt(jnp.sum(x**2) + eps), or use "
        "optax.safe_norm.",
    )
    SPREAD = (
        "the normalisation of a constant row",
        "Add a small number to the variance, inside the root.",
    )
    SUM = (
        "a sum that is 0",
        "Divide by jnp.maximum(total, 1), or by the total plus a small number.",
    )
    DERIVATIVE = (
        "the derivative is infinite there",
        "Keep the operand away from that point: add a small number inside, or clip.",
    )

    @property
    def words(self) -> str:
        """What it is."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What to try."""
        return self.value[1]


@dataclass(frozen=True, eq=False)
class Forward:
    """The forward equations of a program by where they were traced."""

    graph: Graph
    by_chain: Mapping[Any, list[Step]]

    def operation(self, step: Step) -> str:
        """The operation whose derivative an equation belongs to, or "".

        JAX makes the equations of a derivative where the operation was traced. One
        that the operation itself depends on is none of them.
        """
        if not step.differentiated and step.direction is not Direction.BACKWARD:
            return ""
        own = {*step.results}
        near = self.by_chain.get(call_chain(step.equation.raw), [])
        names = {
            other.equation.primitive
            for other in near
            if other is not step
            and other.equation.primitive in SINGULAR
            and not self._depends(other, own)
        }
        return next((name for name in SINGULAR if name in names), "")

    def _depends(self, step: Step, results: set[int]) -> bool:
        nodes = [node for node in step.operands if node is not None]
        return any(not results.isdisjoint(self.graph.before(node)) for node in nodes)


def forward_of(graph: Graph) -> Forward:
    """Collect the forward equations of a program."""
    found: dict[Any, list[Step]] = defaultdict(list)
    for step in graph.steps:
        if step.direction is not Direction.BACKWARD and not step.opened:
            found[call_chain(step.equation.raw)].append(step)
    return Forward(graph, found)


_MOVING = HANDING_ON | UNCHANGED | {"neg"}
_REDUCTIONS = {"pmax", "pmin", "psum", "psum_invariant", "reduce_sum"}
_REDUCTIONS |= {"reduce_max", "reduce_min"}
_SCALING = _MOVING | {"mul", "div", "add", "add_any", "reduce_sum", "dot_general"}
_MAKING = _MOVING | {
    "abs", "add", "div", "integer_pow", "mul", "pow", "reduce_sum", "rsqrt", "sqrt",
    "psum", "psum_invariant", "square",
}  # fmt: skip


def is_unselected(graph: Graph, frame: Frame, atom: Any) -> bool:
    """Whether a cotangent is zero because a `where` took the other branch.

    A mask that is multiplied with has zeros too, which take nothing away.
    """
    return any(
        raw.primitive.name == "select_n"
        and _is_backward(graph, here, raw)
        and any(_is_zero(here, case) for case in raw.invars[1:])
        for here, raw in equations_behind(frame, atom, _SCALING - {"select_n"})
    )


def _is_backward(graph: Graph, frame: Frame, raw: ir.JaxprEqn) -> bool:
    index, _ = frame.made_by[raw.outvars[0]]
    step = graph.step_at(frame.equation(index).address)
    return step.direction is Direction.BACKWARD


def _is_zero(frame: Frame, atom: Any) -> bool:
    if isinstance(atom, ir.Literal):
        return not np.any(frame.value(atom))
    if atom in frame.values:
        return not np.any(np.asarray(frame.value(atom)))
    return False


def zero_in_words(frame: Frame, atom: Any) -> Context | None:
    """What a divisor that is zero is."""
    behind = [*equations_behind(frame, atom, _MAKING)]
    names = {raw.primitive.name for _, raw in behind}
    centred = any(
        raw.primitive.name == "sub" and _is_reduced(here, raw.invars[1])
        for here, raw in behind
    )
    if centred:
        return Context.SPREAD
    if names & {"sqrt", "rsqrt"}:
        return Context.NORM if "reduce_sum" in names else None
    first = next((raw for _, raw in behind if raw.primitive.name not in _MOVING), None)
    is_sum = first is not None and first.primitive.name in ("reduce_sum", "scatter-add")
    return Context.SUM if is_sum else None


def _is_reduced(frame: Frame, atom: Any) -> bool:
    """Whether it is a mean, or the largest or smallest, of something."""
    return any(
        raw.primitive.name in _REDUCTIONS
        for _, raw in equations_behind(frame, atom, _MOVING | {"div", "mul"})
    )
