"""Each custom derivative rule against its own function, where it is called.

The program runs in float64 on the operands the calls really receive. At each
call the derivative by the rule and the one of the body without rules are pulled
back from the same random cotangents, and compared coordinate by coordinate. A
rule is also a linear map of its cotangent; whether it is needs no other witness.

Nothing leaves the device but a few numbers for each call; in a loop of more than
128 iterations those of its worst one,
and how far off the first and the last are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxdebug.gradients.call_gaps import Gaps, Loop, call_gaps
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.programs.equation import Address, Equation
from jaxdebug.programs.shadow import shadow_tool
from jaxdebug.programs.tool import Accumulator, Outcome, Proceed, Tool, Value

ROWS = 128
"""Loops up to this length keep the numbers of each iteration."""


def isolation_tool(
    sites: Collection[CallSite],
    ran_native: dict[str, float],
    x64: bool,
    order: int = 1,
    refused: dict[Address, str] | None = None,
) -> Tool:
    """The float64 shadow, which compares rules with bodies on its way.

    Args:
        sites: the calls to compare.
        ran_native: receives the primitives that ran in their native dtype.
        x64: whether the program was traced with 64 bits enabled.
        order: 2 for second derivatives too.
        refused: receives the calls that JAX cannot differentiate twice, and why.

    Cost:
        For each call about six pullbacks by the rule and three by the body; at order
        2 the pullback of one more of each.
    """
    shadow = shadow_tool(ran_native, x64)
    by_address = {site.address: site for site in sites}

    def visit(
        equation: Equation,
        operands: list[Value],
        proceed: Proceed,
    ) -> Outcome:
        results, records = proceed(equation, operands)
        site = by_address.get(equation.address)
        if site is not None:
            gaps = call_gaps(site, operands, shadow, order, refused)
            off = badness(gaps)
            loop = Loop(off, off, jnp.full((), -1, jnp.int32))
            records = {**records, site.address: gaps._replace(loop=loop)}
        return results, records

    return shadow._replace(
        visit=visit, accumulate=Accumulator(_empty, _worse, lambda n: n <= ROWS)
    )


def _empty(struct: Any) -> Any:
    return jax.tree.map(lambda aval: jnp.zeros(aval.shape, aval.dtype), struct)


def _worse(total: Gaps, made: Gaps, iteration: Any) -> Gaps:
    """The numbers of the iteration that is further off; of all, first and last."""
    one, other = total.loop, made.loop
    if one is None or other is None:
        raise ValueError("expected gaps that know their iterations")
    ran, fresh = made.calls > 0, total.calls == 0
    take = ran & (fresh | (badness(made) > badness(total)))

    def chosen(new: Array, old: Array) -> Array:
        # Rows of a loop inside are chosen one by one; other axes go with them.
        return jnp.where(
            take.reshape(take.shape + (1,) * (new.ndim - take.ndim)), new, old
        )

    loop = Loop(
        jnp.where(ran & fresh, other.first, one.first),
        jnp.where(ran, other.last, one.last),
        jnp.where(take, iteration, one.worst),
    )
    worse = jax.tree.map(chosen, made._replace(loop=None), total._replace(loop=None))
    return worse._replace(calls=total.calls + made.calls, loop=loop)


def badness(gaps: Gaps) -> Array:
    """One number by which iterations of one call are ranked."""
    gap = jnp.minimum(gaps.at.gap, gaps.near.gap).max(-1)
    worst = jnp.maximum(jnp.maximum(gaps.value, gaps.linear), gap)
    if gaps.second is not None:
        worst = jnp.maximum(worst, gaps.second.gap.max(-1))
    return jnp.maximum(worst, gaps.lawless) + gaps.at.broken.sum(-1)
