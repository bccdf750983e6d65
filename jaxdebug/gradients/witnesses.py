"""The float64 programs that bear witness of one gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax

from jaxdebug.gradients.coordinates import ROUNDED_OFF
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.isolation import isolation_tool
from jaxdebug.programs._jax import dtypes
from jaxdebug.programs.equation import Address
from jaxdebug.programs.program import Program, Transformed, transform
from jaxdebug.programs.shadow import Shadowed, shadow_program, shadow_tool
from jaxdebug.programs.strip import stripped_rules


class Witnesses(NamedTuple):
    """The programs that bear witness of one gradient, traced once."""

    function: Shadowed
    """The flat outputs."""
    gradient: Shadowed
    """Of all flat arguments and cotangents: outputs, then the gradient."""
    isolation: Transformed | None
    """The outputs, and what each call of a rule says; None if there is none."""
    stripped: Transformed | None
    """The outputs without custom rules; None if JAX's gradient has none to strip."""
    sites: tuple[CallSite, ...]
    moving: tuple[int, ...]
    """Indices of the arguments that are differentiated by."""
    forward: bool
    """Whether forward mode is heard."""
    native: tuple[str, ...]
    """Primitives that run in their native dtype also here."""
    rounding: float = 0.0
    """What those primitives round to, relative to the largest coordinate."""
    mirrored: Shadowed | None = None
    """Of second derivatives: the gradient by forward mode over reverse; None if the
    function has custom rules, or holds something back by stop_gradient. A Hessian is
    symmetric, so that both are one."""
    refused: Mapping[Address, str] = {}
    """Calls that JAX cannot differentiate twice, and why, if that was asked."""

    @property
    def gradients(self) -> int:
        """How many gradients in float64 they take at a point."""
        return 1 + (self.stripped is not None or self.mirrored is not None)


TRANSPOSED = frozenset({"linear_call", "custom_linear_solve", "custom_transpose_call"})
"""Primitives whose transpose somebody wrote: forward and reverse mode may differ. What
a custom_jvp makes JAX transposes itself: there they differ only where values are not
finite, as 0 times infinity (jax#6636)."""


def witnesses(
    program: Program,
    gradient: Program,
    moving: Sequence[int],
    sites: Sequence[CallSite],
    expected: frozenset[CallSite] = frozenset(),
    *,
    order: int = 1,
    plain: Program | None = None,
    mirror: Program | None = None,
    handed_in: bool = False,
    forward: bool = False,
) -> Witnesses:
    """Make the float64 programs.

    Args:
        program: of the flat outputs.
        gradient: of all flat arguments and cotangents: outputs, then the gradient.
        moving: indices of the arguments that are differentiated by.
        sites: the calls of custom rules.
        expected: those whose rule is meant to differ from the function.
        order: 2 for the second derivatives of the calls too.
        plain: the function without custom rules, if it is another program.
        mirror: the gradient another way: of all flat arguments and cotangents.
        handed_in: whether the gradient is somebody else's and not JAX's.
        forward: whether forward mode is to be heard, where there is one.
    """
    refused: dict[Address, str] = {}
    native: dict[str, float] = {}
    kept = {s.address for s in sites if s in expected or s.body != "reverse"}
    isolation = stripped = None
    with jax.enable_x64(True):
        avals = [dtypes.wide_aval(aval) for aval in program.jaxpr.in_avals]
        if sites:
            isolated = isolation_tool(sites, native, program.x64, order, refused)
            isolation = transform(program, isolated, avals=avals)
        if plain is not None:
            tool = shadow_tool(native, plain.x64)
            stripped = transform(plain, tool, avals=avals)
        elif handed_in or len(kept) < len(sites):
            rules = stripped_rules(lambda equation: equation.address in kept)
            tool = shadow_tool(native, program.x64)
            stripped = transform(program, tool, avals=avals, rules=rules)
    shadow, shadow_gradient = shadow_program(program), shadow_program(gradient)
    mirrored = None if mirror is None else shadow_program(mirror)
    names = {*native, *shadow.native, *shadow_gradient.native}
    has_forward = all(s.equation.primitive != "custom_vjp_call" for s in sites)
    return Witnesses(
        shadow,
        shadow_gradient,
        isolation,
        stripped,
        tuple(sites),
        tuple(moving),
        forward and has_forward and not handed_in,
        tuple(sorted(names)),
        ROUNDED_OFF * max(native.values(), default=0.0),
        mirrored,
        refused,
    )
