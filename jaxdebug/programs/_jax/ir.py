"""Jaxprs: their types, how one is traced, and how an equation is bound again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax._src import api_util, config, core
from jax._src import linear_util as lu
from jax._src.interpreters import partial_eval as pe
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

__all__ = [
    "ClosedJaxpr",
    "Jaxpr",
    "JaxprEqn",
    "Literal",
    "Var",
    "bind",
    "bind_scalars",
    "close",
    "element",
    "evaluate",
    "is_array",
    "is_traced",
    "jaxprs_in",
    "last_uses",
    "literal_value",
    "nested_jaxprs",
    "trace_body",
    "trace_key",
]


def close(jaxpr: Any) -> ClosedJaxpr:
    """The jaxpr with its constants; an open one must have none.

    From JAX 0.11 the two kinds are one class and this is the identity.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        return jaxpr
    return ClosedJaxpr(jaxpr, ())


def trace_body(
    function: Callable[..., Any], *structs: Any, like: Any = None
) -> tuple[ClosedJaxpr, Any]:
    """Trace `function` on pytrees of avals, for use inside an equation.

    Args:
        function: takes and returns pytrees of arrays.
        *structs: one pytree of avals for each argument.
        like: the jaxpr that is replaced; it lends its debug information.

    Returns:
        The closed jaxpr on flat leaves, and the tree of the result.
    """
    leaves, tree = jax.tree.flatten(structs)
    result_tree: list[Any] = []

    def flat(*values: Any) -> list[Any]:
        results, out = jax.tree.flatten(function(*jax.tree.unflatten(tree, values)))
        result_tree.append(out)
        return results

    name = getattr(getattr(like, "debug_info", None), "func_src_info", None)
    debug = api_util.debug_info("jaxdebug", function, (), {})
    debug = debug._replace(arg_names=None, result_paths=None)
    if name is not None:
        debug = debug._replace(func_src_info=name)
    jaxpr, _, constants = pe.trace_to_jaxpr_dynamic(
        lu.wrap_init(flat, debug_info=debug), leaves
    )
    return ClosedJaxpr(jaxpr, constants), result_tree[0]


def evaluate(jaxpr: ClosedJaxpr, leaves: Sequence[Any]) -> list[Any]:
    """JAX's own evaluation, which keeps name stacks, tracebacks and contexts."""
    return core.eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *leaves)


def bind(equation: JaxprEqn, operands: Sequence[Any], **changes: Any) -> list[Any]:
    """Run the equation's primitive again, parameters kept unless changed."""
    params = equation.primitive.get_bind_params(dict(equation.params, **changes))
    out = equation.primitive.bind(*operands, **params)
    return list(out) if equation.primitive.multiple_results else [out]


def bind_scalars(equation: JaxprEqn, operands: Sequence[Any]) -> list[Any]:
    """Run an elementwise primitive on one element of each operand."""
    changes = {"sharding": None} if "sharding" in equation.params else {}
    return bind(equation, operands, **changes)


def element(aval: Any, length: int) -> Any:
    """The aval of one row of an array that a scan reads along its first axis."""
    return core.mapped_aval(length, 0, aval)


def literal_value(literal: Literal) -> Any:
    """The literal, of its own dtype; a weakly typed one stays so.

    A weak literal decides the dtype of what the caller of the program computes
    with its results, so it is handed on as JAX holds it.
    """
    aval: Any = literal.aval
    dtype = aval.dtype
    if aval.weak_type or jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return literal.val
    return np.asarray(literal.val, dtype=dtype)


def last_uses(jaxpr: Jaxpr) -> dict[Var, int]:
    """Index of the last equation that reads each variable; results live on."""
    last: dict[Var, int] = {}
    for index, equation in enumerate(jaxpr.eqns):
        for atom in equation.invars:
            if not isinstance(atom, Literal):
                last[atom] = index
    for atom in jaxpr.outvars:
        if not isinstance(atom, Literal):
            last[atom] = len(jaxpr.eqns)
    return last


def nested_jaxprs(equation: JaxprEqn) -> Iterator[ClosedJaxpr]:
    """Every jaxpr found anywhere in the parameters, however deeply nested."""
    for value in equation.params.values():
        yield from jaxprs_in(value)


def jaxprs_in(value: Any) -> Iterator[ClosedJaxpr]:
    """Every jaxpr found in a parameter, however deeply nested."""
    if isinstance(value, ClosedJaxpr | Jaxpr):
        yield close(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from jaxprs_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from jaxprs_in(item)


def is_array(aval: Any) -> bool:
    """Whether the aval is of an array, not of a reference or a token."""
    return isinstance(aval, core.ShapedArray)


def is_traced(value: Any) -> bool:
    """Whether the value stands for an array inside somebody's trace."""
    return isinstance(value, core.Tracer)


def trace_key() -> Any:
    """A hashable value that changes when a JAX setting would change a trace."""
    return config.trace_context()
