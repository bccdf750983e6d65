"""`shadow`: the same function in float64, whatever dtypes it hard-codes.

Every inexact value of the traced program becomes float64 (complex128), also
where the program casts to bfloat16. What remains is the function's logic; the
difference to the native result is what its precision costs.

Random bits, integer arithmetic and bit casts keep their native width, so a
sampler draws the same numbers. Kernels, callbacks and primitives without a
rule run in their native dtypes. Comparisons decide on the wide values: where
the native ones were a rounding error away from a tie, they may decide
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from jaxdebug.programs._jax import dtypes, ir
from jaxdebug.programs.coverage import FOREIGN, is_region
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.interpreter import interpret
from jaxdebug.programs.program import (
    Program,
    Transformed,
    by_signature,
    require_function,
    trace,
    transform,
)
from jaxdebug.programs.self_test import require_rules
from jaxdebug.programs.tool import Outcome, Tool, Value

PRINTS = frozenset({"debug_print", "debug_callback"})
"""The program itself prints; that its shadow, run many times, does too helps nobody."""


def shadow(
    fn: Callable[..., Any], like: tuple[Any, ...] | None = None
) -> Callable[..., Any]:
    """The same function in float64, whatever dtypes it hard-codes.

    Args:
        fn: a function of pytrees of arrays.
        like: positional arguments to trace `fn` with, when the dtypes of the
            real arguments are not those the function is written for. They may
            be `jax.ShapeDtypeStruct`.

    Returns:
        A function with the arguments of `fn`. Inexact arguments of any dtype are
        taken as float64. Called eagerly it returns NumPy arrays, float64 where
        `fn` returns floats. Called inside a trace it returns float64 tracers:
        with `jax_enable_x64` off, `jax.numpy` turns them into float32 at the
        next operation, and `jax.grad` of the shadow returns float32; take the
        shadow of the gradient instead.

    Raises:
        ValueError: if the arguments do not have the structure and shapes of
            `like`.

    Cost:
        One trace of `fn` with the user's own settings, one compilation for each
        signature. Twice the memory of float32 and four times that of bfloat16.
        The device must have float64.

    Limits:
        Opaque kernels and callbacks run in their native dtype. What `jax.debug`
        prints or calls back is left out. Literals keep the value they were
        rounded to when the program was traced.

    Example:
        >>> import jax.numpy as jnp
        >>> f = lambda x: (x.astype(jnp.bfloat16) / 3).astype(jnp.float32)
        >>> float(f(jnp.float32(1))), float(shadow(f)(1.0))
        (0.333984375, 0.3333333333333333)
    """

    require_function("shadow", fn)
    if like is not None and not isinstance(like, tuple):
        raise TypeError(
            "shadow expects like to be a tuple of positional arguments; found "
            f"like={type(like).__name__}. Write like=(value,) for one."
        )

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Shadowed:
        require_rules("shadow")
        return shadow_program(trace(fn, *args, **kwargs))

    @wraps(fn, updated=())
    def shadowed(*args: Any, **kwargs: Any) -> Any:
        if like is None:
            return plan(*args, **kwargs)(*args, **kwargs)
        return plan(*like)(*args, **kwargs)

    return shadowed


class Shadowed(NamedTuple):
    """A program and its float64 twin."""

    program: Program
    transformed: Transformed
    native: tuple[str, ...]
    """Primitives that ran in their native dtype."""
    run: Callable[..., list[Any]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the twin: NumPy arrays out, or tracers inside a trace."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        self._check(leaves, tree)
        if any(map(ir.is_traced, (*leaves, *self.constants))):
            results = self.apply(leaves)
        else:
            with jax.enable_x64(True):
                wide = [widen_on_host(leaf) for leaf in leaves]
                # Explicit, so that it is allowed under any transfer guard.
                results = [*map(_to_host, self.run(*jax.device_put(wide)))]
        return jax.tree.unflatten(self.program.out_tree, results)

    def apply(self, leaves: Sequence[Any]) -> list[Any]:
        """Flat wide results of flat leaves, inside a trace."""
        with jax.enable_x64(True):
            return self.transformed([*map(widen, leaves)])[0]

    @property
    def constants(self) -> list[Any]:
        """Arrays that the trace captured."""
        return list(self.transformed.jaxpr.consts)

    def _check(self, leaves: Sequence[Any], tree: Any) -> None:
        if tree != self.program.in_tree:
            raise ValueError(
                f"expected arguments of the structure {self.program.in_tree}, "
                f"found {tree}; they must be those of `like`"
            )
        expected = [aval.shape for aval in self.program.jaxpr.in_avals]
        found = [np.shape(leaf) for leaf in leaves]
        for index, (want, have) in enumerate(zip(expected, found, strict=True)):
            if want != have:
                raise ValueError(
                    f"expected shape {want} for leaf {index} of the arguments, "
                    f"found {have}; shapes must be those of `like`"
                )


def shadow_program(program: Program) -> Shadowed:
    """The float64 twin of a traced program."""
    ran_native: dict[str, float] = {}
    tool = shadow_tool(ran_native, program.x64)
    with jax.enable_x64(True):
        avals = [dtypes.wide_aval(aval) for aval in program.jaxpr.in_avals]
        transformed = transform(program, tool, avals=avals)

    def run(*leaves: Any) -> list[Any]:
        return transformed(leaves)[0]

    return Shadowed(program, transformed, tuple(ran_native), jax.jit(run))


def shadow_tool(ran_native: dict[str, float], x64: bool) -> Tool:
    """The tool that widens every inexact value.

    Args:
        ran_native: receives the names of primitives that ran in their native
            dtype, and its relative precision, while the program is traced; bit casts
            are meant to.
        x64: whether the program was traced with 64 bits enabled: so are its rules.
    """

    def run_native(equation: Equation, operands: Sequence[Value]) -> list[Value]:
        if equation.primitive not in dtypes.BITS:
            name, eps = equation.primitive, _precision(equation)
            ran_native[name] = max(eps, ran_native.get(name, 0.0))
        avals = [atom.aval for atom in equation.raw.invars]
        narrow = [
            _to_dtype(value, aval) for value, aval in zip(operands, avals, strict=True)
        ]
        return equation.bind(narrow)

    def foreign(equation: Equation, operands: Sequence[Value]) -> list[Value]:
        name = equation.primitive
        if name in dtypes.ROUNDING:
            return list(operands)
        if name in PRINTS:
            return []
        opaque = name in FOREIGN or (
            not is_region(name) and any(ir.nested_jaxprs(equation.raw))
        )
        if opaque or name in dtypes.NATIVE_ONLY:
            results = run_native(equation, operands)
        else:
            results = dtypes.bind_wide(equation.raw, operands, region)
        return [widen(result) for result in results]

    def region(jaxpr: ir.ClosedJaxpr, avals: Sequence[Any]) -> ir.ClosedJaxpr:
        def combine(*scalars: Any) -> Outcome:
            return interpret(jaxpr, scalars, tool)

        return ir.trace_body(combine, *avals, like=jaxpr)[0]

    tool = Tool(
        visit=lambda equation, operands, proceed: proceed(equation, operands),
        lift=widen,
        foreign=foreign,
        tracing=lambda: jax.enable_x64(x64),
    )
    return tool


def _precision(equation: Equation) -> float:
    """Of the narrowest floats that an equation gives; 0 if it gives none."""
    dtypes_ = [getattr(var.aval, "dtype", None) for var in equation.raw.outvars]
    inexact = [d for d in dtypes_ if jax.dtypes.issubdtype(d, np.inexact)]
    return max((float(jax.numpy.finfo(d).eps) for d in inexact), default=0.0)


def widen(array: Any) -> Any:
    """The array in float64 or complex128, if it is inexact."""
    dtype = jax.typeof(array).dtype
    wide = dtypes.wide_dtype(dtype)
    return array if wide == dtype else lax.convert_element_type(array, wide)


def _to_dtype(value: Any, aval: Any) -> Any:
    dtype = getattr(aval, "dtype", None)
    if dtype is None or jax.typeof(value).dtype == dtype:
        return value
    return lax.convert_element_type(value, dtype)


def widen_on_host(leaf: Any) -> Any:
    """A wide NumPy array: a float64 argument must not pass through float32."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is None:
        leaf = np.asarray(leaf)
        dtype = leaf.dtype
    wide = dtypes.wide_dtype(dtype)
    return leaf if wide == dtype else np.asarray(leaf).astype(wide)


def _to_host(array: Any) -> Any:
    """NumPy, except for arrays NumPy has no dtype for, such as random keys."""
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended):
        return array
    return np.asarray(jax.device_get(array))
