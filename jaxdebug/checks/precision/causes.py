"""Where the digits of a result were lost, and why.

On the way back to what made its error, digits are lost where the error is much larger
than what came in: as many as the powers of ten by which it grew.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.precision.trail import KEEPING, MOST, Blame, Passed
from jaxdebug.programs._jax.source import Line
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import Place, is_inexact
from jaxdebug.programs.scopes import Direction, ModulePath
from jaxdebug.statistics.rounding_tool import ADDING, PASSIVE

GROWTH = 4.0
"""By what factor an error must grow at one equation to be its loss."""

ROUNDINGS = 16.0
"""Rounding errors of one equation that its dtype explains."""


@dataclass(frozen=True)
class Cause:
    """An equation at which digits are lost.

    Attributes:
        reason: `overflow`, `underflow`, `cancellation` (what is added up is larger
            than its sum), `accumulation` (a sum rounded term by term), `cast` (digits
            that a cast cut off are needed later) or `ill-conditioned` (the operation
            makes a small change of its operand a large one).
        layer: the path of the layer, or empty.
        line: the user's line, `file:line`.
        primitive: the operation.
        backward: whether it stands in the backward pass.
        dtype: that it is computed in.
        before: relative error of what comes in, not below the dtype's own.
        after: relative error of what comes out.
        made: the part of it that is made here.
        condition: how much larger what is added up is than its sum; 0 if nothing is.
        overflows: elements that became infinite here.
        underflows: elements that lost digits below the dtype's smallest numbers.
        elements: of the array, over all iterations.
        iteration: of the innermost loop around it: the worst one; -1 outside loops.
        origin: the line that rounded what comes in, if that is elsewhere.
        origin_dtype: that it was rounded to.
        hint: name of a better way to write it, where there is a known one.
    """

    reason: str
    layer: str
    line: str
    primitive: str
    backward: bool
    dtype: str
    before: float
    after: float
    made: float
    condition: float
    overflows: int
    underflows: int
    elements: int
    iteration: int
    origin: str
    origin_dtype: str
    hint: str = ""

    @property
    def digits(self) -> float:
        """Decimal digits that are lost here."""
        return float(np.log10(self.after / self.before))


def causes_of(blame: Blame, node: int | None) -> dict[Place, Cause]:
    """Where the digits of an array are lost, most of them first."""
    trail = blame.trail(node)
    found: dict[Place, Cause] = {}
    for count, passed in enumerate(trail, 1):
        cause = _cause(passed, trail[count:], blame.graph)
        if cause is not None:
            found[passed.place] = cause
    return dict(sorted(found.items(), key=lambda item: -item[1].digits))


def _cause(passed: Passed, behind: tuple[Passed, ...], graph: Graph) -> Cause | None:
    """What is lost at one equation; None if no more than its dtype explains."""
    step, lost = passed.step, passed.lost
    eps = _eps(step)
    before = max(passed.before, eps)
    numbers = lost.numbers
    name = step.equation.primitive
    origin = behind[-1] if behind else None
    if np.isinf(passed.after):
        if not numbers["overflows"] or np.isinf(passed.before):
            return None
        reason = "overflow"
    elif lost.made >= MOST * passed.after:
        if lost.made < GROWTH * eps:
            return None
        if numbers["underflow_error"] >= numbers["made"] / 2:
            reason, before = "underflow", eps
        elif name in ADDING:
            few = lost.made <= ROUNDINGS * eps * lost.condition
            cancels = few and lost.condition >= GROWTH
            reason = "cancellation" if cancels else "accumulation"
        else:
            reason = "ill-conditioned"
    elif passed.after < GROWTH * before or name in KEEPING:
        return None
    elif _is_cast(origin, behind, eps):
        reason = "cast"
    elif name in ADDING and lost.condition < GROWTH and _is_looped(step):
        reason = "accumulation"
    else:
        reason = "cancellation" if name in ADDING else "ill-conditioned"
    hint = _hint(reason, step, graph)
    return _described(reason, passed, origin, before, hint)


def _eps(step: Step) -> float:
    return float(jnp.finfo(_dtype_of(step)).eps)


def _is_cast(origin: Passed | None, behind: tuple[Passed, ...], eps: float) -> bool:
    """Whether a cast made the error, and all that follows has more digits."""
    if origin is None or origin.step.equation.primitive != "convert_element_type":
        return False
    later = [_eps(each.step) for each in behind[:-1]]
    return origin.lost.made > 0 and _eps(origin.step) > max([eps, *later])


def _is_looped(step: Step) -> bool:
    return any(e.primitive in ("scan", "while") for e in step.equation.enclosing)


def _described(
    reason: str,
    passed: Passed,
    origin: Passed | None,
    before: float,
    hint: str,
) -> Cause:
    step, lost = passed.step, passed.lost
    return Cause(
        reason,
        layer_name(step.path),
        _shown(step.equation.line),
        step.equation.primitive,
        step.direction is Direction.BACKWARD,
        _dtype_of(step),
        before,
        passed.after,
        lost.made,
        lost.condition,
        int(lost.numbers["overflows"]),
        int(lost.numbers["underflows"]),
        int(lost.numbers["elements"]),
        lost.iteration if _is_looped(step) else -1,
        "" if origin is None else _shown(origin.step.equation.line),
        "" if origin is None else _dtype_of(origin.step),
        hint,
    )


def layer_name(path: ModulePath) -> str:
    """The path as the framework spells it."""
    return "/".join(path) or "(top)"


def _shown(line: Line | None) -> str:
    return "" if line is None else str(line)


def _dtype_of(step: Step) -> str:
    avals = [var.aval for var in step.equation.raw.outvars if is_inexact(var.aval)]
    return str(getattr(avals[0], "dtype", ""))


def _hint(reason: str, step: Step, graph: Graph) -> str:
    """A better way to write what stands there, where it is a known one."""
    name = step.equation.primitive
    makers = {_maker(graph, node) for node in step.operands}
    ones = [graph.literal(step, i) for i in range(len(step.operands))]
    if name == "log" and makers & {"add", "sub"}:
        return "log1p"
    if reason == "cancellation" and "exp" in makers and any(_is_one(o) for o in ones):
        return "expm1"
    if name == "sub" and makers & {"integer_pow", "square", "mul"}:
        return "variance"
    return "exp" if name in ("exp", "exp2") else ""


def _is_one(value: object) -> bool:
    return value is not None and np.size(value) == 1 and bool(np.all(value == 1))  # type: ignore[arg-type]


def _maker(graph: Graph, start: int | None) -> str:
    """The primitive that made an array, behind what only hands it on."""
    node = start
    while node is not None:
        step = graph.made_by[node]
        if step is None or step.opened:
            node = next(iter(graph.fed_by.get(node, ())), None)
        elif step.equation.primitive in PASSIVE | {"convert_element_type", "div"}:
            node = step.operands[0]
        else:
            return step.equation.primitive
    return ""
