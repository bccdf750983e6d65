"""Discrete decisions: equations whose result jumps where an operand crosses a line.

Rounding may carry a value across such a line: the native program then takes another
branch, another maximum, another order than the same program in float64. Here the
float64 side is given the decisions that the native side took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from jaxdebug.programs._jax import ir, names
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.shadow import widen

SAMPLERS = frozenset({"random_gamma", "rng_uniform", "io_callback"})
"""What cannot be run a second time with the same result, or must not be."""

_STEPS = frozenset({"ceil", "floor", "round", "sign"})
"""Elementwise, inexact, and constant between jumps."""

_CHOOSE_WINDOWS = {"select_and_scatter_add": 1, "select_and_gather_add": 1}
"""Operand that only decides which element of a window is meant."""

Evaluate = Callable[[Equation, Sequence[Any]], list[Any]]


def is_decision(equation: Equation) -> bool:
    """Whether the equation makes something discrete of inexact operands."""
    raw = equation.raw
    if not any(is_inexact(atom.aval) for atom in raw.invars):
        return False
    name = equation.primitive
    if name == "sort" or name == "rem" or name in _STEPS or name in _CHOOSE_WINDOWS:
        return True
    return any(not is_inexact(var.aval) for var in raw.outvars)


def imposed(
    equation: Equation,
    native: Sequence[Any],
    wide: Sequence[Any],
    results: Sequence[Any],
    evaluate: Evaluate,
) -> list[Any]:
    """Wide results of an equation, with the decisions of the native one.

    Args:
        equation: that is run.
        native: its operands as the program computes them.
        wide: its operands in float64.
        results: of the native equation.
        evaluate: runs an equation on wide operands.
    """
    name = equation.primitive
    if name in _STEPS:
        return [*map(widen, results)]
    if name == "sort":
        return _sorted(equation, native, wide, results)
    if name in ("top_k", "approx_top_k"):
        indices = results[1].astype(jnp.int64)
        axis = names.chosen_axis(equation.raw)
        return [jnp.take_along_axis(wide[0], indices, axis), results[1]]
    if name in _CHOOSE_WINDOWS:
        chooser = _CHOOSE_WINDOWS[name]
        operands = [*wide]
        operands[chooser] = widen(native[chooser])
        return evaluate(equation, operands)
    if name == "lu":
        order = results[2][..., None].astype(jnp.int64)
        pivoted = jnp.take_along_axis(wide[0], order, axis=-2)
        return [evaluate(equation, [pivoted])[0], *results[1:]]
    own = evaluate(equation, wide)
    if name == "rem":
        # The native quotient: a remainder may jump by the whole divisor.
        turns = jnp.round((widen(results[0]) - own[0]) / wide[1])
        return [own[0] + jnp.where(jnp.isfinite(turns), turns, 0) * wide[1]]
    return own


def _sorted(
    equation: Equation,
    native: Sequence[Any],
    wide: Sequence[Any],
    results: Sequence[Any],
) -> list[Any]:
    """The wide operands in the order of the native ones: they are carried along."""
    moved = [i for i, each in enumerate(wide) if each is not native[i]]
    carried = ir.bind(equation.raw, [*native, *(wide[i] for i in moved)])
    found = [*results]
    for place, array in zip(moved, carried[len(native) :], strict=True):
        found[place] = array
    return found
