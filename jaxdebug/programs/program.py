"""A program: a traced function, with the trees of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import jax

from jaxdebug.programs._jax import ir, source
from jaxdebug.programs.interpreter import interpret
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.tool import Outcome, Records, Tool

T = TypeVar("T")

AS_WRITTEN = {"xla_allow_excess_precision": False}
"""Compiler options with which XLA rounds after every operation, also where it fuses."""


@dataclass(frozen=True, eq=False)
class Program:
    """A closed jaxpr with the trees of its inputs and outputs."""

    jaxpr: ir.ClosedJaxpr
    in_tree: Any
    out_tree: Any
    x64: bool
    """Whether JAX used 64 bits when it was traced: custom rules are traced later."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program on arguments of the structure it was traced with."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        if tree != self.in_tree:
            raise TypeError(
                f"expected arguments of the structure {self.in_tree}, found {tree}"
            )
        return jax.tree.unflatten(self.out_tree, ir.evaluate(self.jaxpr, leaves))


def require_function(tool: str, function: Any) -> None:
    """Refuse what cannot be called, when a tool is applied and not later.

    Raises:
        TypeError: if it is no function; says what was expected.
    """
    if callable(function):
        return
    hint = ""
    if callable(getattr(function, "loss_fn", None)):
        hint = f" Give its loss: {tool}(workload.loss_fn)."
    raise TypeError(
        f"{tool} expects a function of pytrees of arrays; found "
        f"{type(function).__name__}.{hint}"
    )


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """Trace a function on arrays, shape structs or tracers.

    The trace is ours alone: inner jaxprs that JAX cached when the function ran
    before, perhaps without name scopes, are not reused.
    """
    leaves, in_tree = jax.tree.flatten((args, kwargs))
    out_trees: list[Any] = []

    # JAX's messages then speak of the user's function, not of this one.
    @wraps(function, updated=())
    def flat(*values: Any) -> list[Any]:
        args, kwargs = jax.tree.unflatten(in_tree, values)
        results, tree = jax.tree.flatten(function(*args, **kwargs))
        out_trees[:] = [tree]
        return results

    with source.own_trace():
        jaxpr = jax.make_jaxpr(flat)(*leaves)
    return Program(jaxpr, in_tree, out_trees[0], x64_enabled())


def x64_enabled() -> bool:
    """Whether JAX uses 64 bits here."""
    return bool(jax.config.read("jax_enable_x64"))


class Transformed(NamedTuple):
    """A program under a tool: leaves in, output leaves and records out."""

    jaxpr: ir.ClosedJaxpr
    tree: Any
    names: tuple[Hashable, ...]

    def __call__(self, leaves: Sequence[Any]) -> Outcome:
        """Run it on the flat arguments of the program."""
        results, records = jax.tree.unflatten(
            self.tree, ir.evaluate(self.jaxpr, leaves)
        )
        return results, dict(zip(self.names, records, strict=True))


def transform(
    program: Program,
    tool: Tool,
    *,
    rules: RuleTable = DEFAULT_RULES,
    avals: Sequence[Any] | None = None,
    start: Callable[[Sequence[Any]], Records] = lambda leaves: {},
    end: Callable[[Sequence[Any], Sequence[Any]], Records] = lambda leaves, out: {},
) -> Transformed:
    """The program run under a tool, traced once.

    Args:
        program: the traced function.
        tool: the visitor and how its records add up.
        rules: what to do with primitives that have bodies.
        avals: of the values that stand for the inputs, if not of the inputs.
        start: records made of the program's flat inputs, before it runs.
        end: records made of its flat inputs and outputs, after it ran.
    """
    names: list[Hashable] = []

    def function(*leaves: Any) -> tuple[list[Any], list[Any]]:
        first = start(leaves)
        results, records = interpret(program.jaxpr, leaves, tool, rules=rules)
        records = {**first, **records, **end(leaves, results)}
        names[:] = records
        return results, list(records.values())

    structs = program.jaxpr.in_avals if avals is None else avals
    jaxpr, tree = ir.trace_body(function, *structs, like=program.jaxpr)
    return Transformed(jaxpr, tree, tuple(names))


def by_signature(build: Callable[..., T]) -> Callable[..., T]:
    """Remember what `build(*args, **kwargs)` makes of arguments of one signature.

    The signature is the structure of the arguments, their avals and the JAX
    settings a trace depends on. What was traced inside somebody else's trace is
    not remembered when it holds on to values of that trace.
    """
    made: dict[Any, T] = {}

    def lookup(*args: Any, **kwargs: Any) -> T:
        leaves, tree = jax.tree.flatten((args, kwargs))
        key = (tree, tuple(map(_signature, leaves)), ir.trace_key())
        if key in made:
            return made[key]
        result = build(*args, **kwargs)
        if not any(map(ir.is_traced, getattr(result, "constants", ()))):
            made[key] = result
        return result

    return lookup


def _signature(leaf: Any) -> Hashable:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf.shape, leaf.dtype, leaf.sharding
    return jax.typeof(leaf)
