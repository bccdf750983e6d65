"""Marks: what stands in a program at the outputs of a framework's modules.

A mark says which module made an array and in which of its calls. Graphs,
sites and reports look through it; the interpreter leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxdebug.programs._jax import ir, mark
from jaxdebug.programs.scopes import ModulePath

OUTPUT, COTANGENT, INNER = mark.OUTPUT, mark.COTANGENT, mark.INNER


class Call:
    """One call of a module while a program was traced; equal to itself alone."""

    __slots__ = ()


class Label(NamedTuple):
    """Whose output an array is."""

    path: ModulePath
    """Empty where a framework opened a scope that is no module's."""
    index: int
    """Position among the leaves of what the call returned."""
    call: Call
    opened: ModulePath = ()
    """Name scopes of the call, where they are not spelled as the path is."""
    of_parameters: bool = False
    """Whether no scope but only the path of its parameters tells the module."""


class Mark(NamedTuple):
    """What one marking equation says."""

    label: Label
    role: str


def mark_of(equation: ir.JaxprEqn) -> Mark | None:
    """What the equation marks; None if it is no mark."""
    found = mark.label_of(equation)
    return None if found is None else Mark(*found)


def mark_outputs(
    outputs: Any,
    path: ModulePath,
    is_leaf: Callable[[Any], bool] | None = None,
    opened: ModulePath = (),
    of_parameters: bool = False,
) -> Any:
    """Mark every inexact array of what a call of a module returned.

    Only what a trace made is marked: arrays that a module returns from outside,
    NumPy's among them, stay what they are, and so does a result without marks.

    Args:
        outputs: any pytree.
        path: of the module; empty for a scope of the framework that is none.
        is_leaf: what must not be taken apart, because it would be copied.
        opened: name scopes of the call; the path is then whole as it is.
        of_parameters: whether the path is that of parameters and no scope's.
    """
    leaves, tree = jax.tree.flatten(outputs, is_leaf=is_leaf)
    if not any(map(mark.is_markable, leaves)):
        return outputs
    call = Call()
    marked = [
        mark.mark(leaf, Label(path, index, call, opened, of_parameters))
        if mark.is_markable(leaf)
        else leaf
        for index, leaf in enumerate(leaves)
    ]
    return _in_order(outputs, jax.tree.unflatten(tree, marked))


def _in_order(before: Any, after: Any) -> Any:
    """The same values; dictionaries in their own order, which JAX sorts."""
    if type(before) is dict:
        return {key: _in_order(value, after[key]) for key, value in before.items()}
    if type(before) in (list, tuple):
        return type(before)(map(_in_order, before, after))
    return after


def without_repeats(jaxpr: ir.ClosedJaxpr, start: int = 0) -> list[int]:
    """For each output, the first that is the same array but for marks.

    Args:
        jaxpr: with marks or without. What it returns twice under one name, it
            goes on to return twice.
        start: how many outputs in front are left as they are.
    """
    outputs = jaxpr.jaxpr.outvars
    own = {
        equation.outvars[0]: equation.invars[0]
        for equation in jaxpr.jaxpr.eqns
        if mark_of(equation) is not None
    }
    indices = list(range(len(outputs)))
    first: dict[Any, int] = {}
    for index, output in enumerate(outputs[start:], start):
        array: Any = output
        while not isinstance(array, ir.Literal) and array in own:
            array = own[array]
        if not isinstance(array, ir.Literal):
            found = first.setdefault(array, index)
            if outputs[found] is not output:
                indices[index] = found
    return indices
