"""The primitive of marks: an identity that names its array.

The mark of a layer's output has a tangent that is marked too; transposing that
linear mark marks the cotangent. A mark is no arithmetic: it lowers to nothing,
keeps dtype, weak type, sharding and varying axes, and is batched as it is.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax._src import core
from jax.extend.core import JaxprEqn, Primitive
from jax.interpreters import ad, batching, mlir

OUTPUT, TANGENT, COTANGENT = "output", "tangent", "cotangent"
INNER = "inner cotangent"
"""The cotangent of a derivative that was differentiated itself."""

_LINEAR = {OUTPUT: TANGENT, COTANGENT: None, TANGENT: None, INNER: None}
_SEEN_BY_A_DERIVATIVE = {COTANGENT: INNER}
_TRANSPOSED = {OUTPUT: COTANGENT, TANGENT: COTANGENT, COTANGENT: None, INNER: None}

mark_p = Primitive("jaxdebug_mark")


def mark(array: Any, label: Any, role: str = OUTPUT) -> Any:
    """The array itself, under a label.

    Args:
        array: an inexact array of the trace at hand.
        label: a hashable value, kept in the equation.
        role: what the array is.
    """
    return mark_p.bind(array, label=label, role=role)


def label_of(equation: JaxprEqn) -> tuple[Any, str] | None:
    """Label and role of a mark; None for any other equation."""
    if equation.primitive is not mark_p:
        return None
    return equation.params["label"], equation.params["role"]


def is_markable(leaf: Any) -> bool:
    """Whether it is an inexact array that a trace made: no key, no reference."""
    return (
        isinstance(leaf, core.Tracer)
        and isinstance(leaf.aval, core.ShapedArray)
        and jax.dtypes.issubdtype(leaf.aval.dtype, np.inexact)
    )


def _same(value: Any, **_: Any) -> Any:
    return value


def _under(role: str | None, value: Any, label: Any) -> Any:
    return value if role is None else mark(value, label, role)


def _jvp(primals: Any, tangents: Any, *, label: Any, role: str) -> Any:
    (primal,), (tangent,) = primals, tangents
    out = mark(primal, label, _SEEN_BY_A_DERIVATIVE.get(role, role))
    if type(tangent) is ad.Zero:
        return out, tangent
    return out, _under(_LINEAR[role], tangent, label)


def _transpose(cotangent: Any, operand: Any, *, label: Any, role: str) -> Any:
    if type(cotangent) is ad.Zero:
        return (cotangent,)
    return (_under(_TRANSPOSED[role], cotangent, label),)


def _batch(arrays: Any, axes: Any, *, label: Any, role: str) -> Any:
    (array,), (axis,) = arrays, axes
    return mark(array, label, role), axis


mark_p.def_impl(_same)
mark_p.def_abstract_eval(_same)
ad.primitive_jvps[mark_p] = _jvp
ad.primitive_transposes[mark_p] = _transpose
batching.primitive_batchers[mark_p] = _batch
mlir.register_lowering(mark_p, lambda ctx, value, **_: [value])
