"""custom_jvp and custom_vjp calls: the user's derivative rule is kept.

The call is rebuilt with its body run under the tool. When somebody
differentiates the result, the derivative is the one that the original equation
gives: `jax.jvp` or `jax.vjp` of that equation, run under the tool as well, so
that its precision follows. Records are made by the body alone and have no
tangents; the cost is one more run of the body where XLA does not merge the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.custom_derivatives import SymbolicZero

from jaxdebug.programs._jax import calls, ir
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import Body, Rule, Run, plain_body
from jaxdebug.programs.tool import Outcome, Records, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    return (plain_body(calls.view_custom_rule(equation.raw).body),)


def _apply_jvp(
    equation: Equation, operands: list[Value], tool: Tool, run: Run
) -> Outcome:
    view = calls.view_custom_rule(equation.raw)
    if not _are_arrays(operands):
        return run(view.body, operands, equation.inside(0))
    primal = _Primal(equation, view.body, run)
    call = jax.custom_jvp(primal.function())

    def derivative(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        # A rule may refuse an operand that moves: those that do not stay still.
        moves = [
            _moves(p) and not isinstance(t, SymbolicZero) and index >= view.closed_over
            for index, (p, t) in enumerate(zip(primals, tangents, strict=True))
        ]

        def native(primals: list[Any], moving: list[Any]) -> Any:
            pushed = jax.jvp(
                _of_some(equation.bind, primals, moves),
                tuple(itertools.compress(primals, moves)),
                tuple(moving),
            )
            return pushed[0], [t for t in pushed[1] if _moves(t)]

        own = [atom.aval for atom in equation.raw.invars]
        with tool.tracing():
            program, tree = ir.trace_body(
                native, own, [*itertools.compress(own, moves)]
            )
        moving = itertools.compress(tangents, moves)
        leaves, _ = run(program, [*primals, *moving], equation.inside(1))
        results, pushed = jax.tree.unflatten(tree, leaves)
        records = primal(*primals)[1]
        pushed = iter(pushed)
        return (results, records), (
            [next(pushed) if _moves(result) else _still(result) for result in results],
            jax.tree.map(_still, records),
        )

    call.defjvp(derivative, symbolic_zeros=view.symbolic_zeros)
    return primal.outcome(call(*operands))


def _apply_vjp(
    equation: Equation, operands: list[Value], tool: Tool, run: Run
) -> Outcome:
    view = calls.view_custom_rule(equation.raw)
    if not _are_arrays(operands):
        return run(view.body, operands, equation.inside(0))
    primal = _Primal(equation, view.body, run)
    call = jax.custom_vjp(primal.function())

    def forward(*primals: Any) -> Any:
        perturbed = [getattr(p, "perturbed", True) for p in primals]
        if view.symbolic_zeros:
            primals = tuple(p.value for p in primals)
        moves = [
            _moves(p) and on and index >= view.closed_over
            for index, (p, on) in enumerate(zip(primals, perturbed, strict=True))
        ]

        pulls: list[_Pullback] = []

        def native(primals: list[Any]) -> Any:
            results, pull = jax.vjp(
                _of_some(equation.bind, primals, moves),
                *itertools.compress(primals, moves),
            )
            residuals, tree = jax.tree.flatten(pull)
            avals = tuple(jax.typeof(leaf) for leaf in residuals)
            pulls.append(_Pullback(tree, avals, tuple(moves)))
            return results, residuals

        with tool.tracing():
            own = [atom.aval for atom in equation.raw.invars]
            program, tree = ir.trace_body(native, own)
        leaves, _ = run(program, primals, equation.inside(1))
        results, residuals = jax.tree.unflatten(tree, leaves)
        return (results, primal(*primals)[1]), _Saved(residuals, pulls[-1])

    def backward(saved: _Saved, cotangents: Any) -> Any:
        pull = saved.pull

        def native(residuals: list[Any], cotangents: list[Any]) -> Any:
            every = iter(cotangents)
            full = [
                next(every) if _moves_aval(var.aval) else _still(var.aval)
                for var in equation.raw.outvars
            ]
            return jax.tree.unflatten(pull.tree, residuals)(full)

        moving = [
            _still(ct) if isinstance(ct, SymbolicZero) else ct
            for ct in cotangents[0]
            if _moves_aval(ct)
        ]
        avals = [v.aval for v in equation.raw.outvars if _moves_aval(v.aval)]
        with tool.tracing():
            program, _ = ir.trace_body(native, list(pull.avals), avals)
        pulled, _ = run(program, [*saved.residuals, *moving], equation.inside(2))
        every = iter(pulled)
        return tuple(next(every) if moved else None for moved in pull.moves)

    call.defvjp(forward, backward, symbolic_zeros=view.symbolic_zeros)
    return primal.outcome(call(*operands))


@dataclass(frozen=True, eq=False)
class _Pullback:
    """How the native residuals become the pullback again."""

    tree: Any
    avals: tuple[Any, ...]
    moves: tuple[bool, ...]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class _Saved:
    """What the forward part hands to the backward part of one derivative."""

    residuals: list[Any]
    pull: _Pullback = field(metadata={"static": True})


class _Primal:
    """The body run under the tool, with the names of its records kept aside."""

    def __init__(self, equation: Equation, body: ir.ClosedJaxpr, run: Run) -> None:
        self.equation, self.body, self.run = equation, body, run
        self.names: list[Any] = []

    def __call__(self, *values: Any) -> tuple[list[Any], list[Any]]:
        results, records = self.run(self.body, values, self.equation.inside(0))
        self.names[:] = records
        return results, list(records.values())

    def function(self) -> Callable[..., Any]:
        """A plain function under the user's name for it."""

        def primal(*values: Any) -> tuple[list[Any], list[Any]]:
            return self(*values)

        debug = getattr(self.body.jaxpr, "debug_info", None)
        primal.__name__ = getattr(debug, "func_name", None) or "primal"
        return primal

    def outcome(self, called: tuple[list[Any], list[Any]]) -> Outcome:
        """Results and named records of a call."""
        results, records = called
        named: Records = dict(zip(self.names, records, strict=True))
        return list(results), named


def _are_arrays(values: Sequence[Value]) -> bool:
    """Values of several arrays have no derivative: they run the body itself."""
    return all(jax.tree.structure(value) == jax.tree.structure(0) for value in values)


def _moves_aval(aval: Any) -> bool:
    return jax.dtypes.issubdtype(aval.dtype, np.inexact)


def _moves(array: Any) -> bool:
    return _moves_aval(jax.typeof(array))


def _still(array: Any) -> Any:
    """The zero tangent of an array."""
    aval = array if hasattr(array, "weak_type") else jax.typeof(array)
    if _moves_aval(aval):
        return np.zeros(aval.shape, aval.dtype)
    return np.zeros(aval.shape, jax.dtypes.float0)


def _of_some(
    function: Callable[[Sequence[Any]], Any],
    operands: Sequence[Any],
    chosen: Sequence[bool],
) -> Callable[..., Any]:
    """The function of the chosen operands alone."""

    def moved(*moving: Any) -> Any:
        every = iter(moving)
        return function(
            [
                next(every) if moves else operand
                for operand, moves in zip(operands, chosen, strict=True)
            ]
        )

    return moved


Apply = Callable[[Equation, list[Value], Tool, Run], Outcome]


def body_of_some(apply: Apply, keeps: Callable[[Equation], bool]) -> Apply:
    """Runs the body in the place of a call, unless that one keeps its rule."""

    def applied(
        equation: Equation, operands: list[Value], tool: Tool, run: Run
    ) -> Outcome:
        if keeps(equation):
            return apply(equation, operands, tool, run)
        view = calls.view_custom_rule(equation.raw)
        return run(view.body, operands, equation.inside(0))

    return applied


CUSTOM_JVP = Rule(_bodies, _apply_jvp)
CUSTOM_VJP = Rule(_bodies, _apply_vjp)
