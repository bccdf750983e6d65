"""One call of a function with a custom rule: the rule against the body.

The derivative by the rule and that of the body without rules are pulled back from
the same cotangents. At a kink both may be right and differ: there they are compared
at displaced operands, and the rule's slope with the one-sided slopes of the body.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxdebug.gradients.coordinates import Coordinates, compared
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.draws import displaced, noise, own_scale
from jaxdebug.gradients.second_order import second_or_refused
from jaxdebug.programs._jax import ir
from jaxdebug.programs.equation import Address, Level
from jaxdebug.programs.interpreter import interpret
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.strip import stripped_rules
from jaxdebug.programs.tool import Tool, Value

STEP = 1e-6
"""Of the one-sided slopes, relative to the operand's scale."""

TINY = 1e-300
"""Keeps 0 / 0 from being a gap."""

DIRECTIONS = 4
"""Along which a body is compared that has no pullback."""


class Loop(NamedTuple):
    """One number for some iterations of a call; larger is further off."""

    first: Float[Any, ""]
    last: Float[Any, ""]
    worst: Int[Any, ""]
    """Index of the worst iteration; -1 where there was no loop."""


class Gaps(NamedTuple):
    """How far one call's rule is from its body; all but indices float64."""

    calls: Float[Any, ""]
    """1; 0 where the call was not reached."""
    value: Float[Any, ""]
    """Relative gap of the function's value, as the rule computes it."""
    linear: Float[Any, ""]
    """By which the pullback is no linear map of the cotangent."""
    at: Coordinates
    """The rule's derivative and the body's by each operand."""
    near: Coordinates
    """The same at displaced operands."""
    lawless: Float[Any, ""]
    """How far outside its one-sided slopes the rule's slope is, at the operands."""
    silent: Float[Any, " operands"]
    """1 where the rule gives zero to every coordinate."""
    undefined: Float[Any, ""]
    """Part of the function's values that are not finite: outside its domain."""
    second: Coordinates | None = None
    """Derivatives of both derivatives, at displaced operands, if that was asked."""
    loop: Loop | None = None
    """Over the iterations whose worst one this is."""


Function = Callable[..., list[Any]]


class _Call(NamedTuple):
    """A call as two functions of its moving operands: one has the rule."""

    rule: Function
    body: Function


def call_functions(site: CallSite, operands: Sequence[Any], tool: Tool) -> _Call:
    equation = site.equation

    def whole(moving: Sequence[Any]) -> list[Any]:
        every = list(operands)
        for index, operand in zip(site.moving, moving, strict=True):
            for place in site.places(index):
                every[place] = operand
        return every

    def run_with(rules: RuleTable) -> Any:
        def run(jaxpr: ir.ClosedJaxpr, values: Sequence[Value], level: Level) -> Any:
            return interpret(jaxpr, values, tool, level=level, rules=rules)

        return run

    def by_rule(*moving: Any) -> list[Any]:
        rule = DEFAULT_RULES[equation.primitive]
        results, _ = rule.apply(equation, whole(moving), tool, run_with(DEFAULT_RULES))
        return _inexact(results)

    def by_body(*moving: Any) -> list[Any]:
        rules = stripped_rules()
        results, _ = rules[equation.primitive].apply(
            equation, whole(moving), tool, run_with(rules)
        )
        return _inexact(results)

    return _Call(by_rule, by_body)


def _inexact(results: Sequence[Any]) -> list[Any]:
    return [result for result in results if is_inexact(jax.typeof(result))]


def call_gaps(
    site: CallSite,
    operands: Sequence[Any],
    tool: Tool,
    order: int = 1,
    refused: dict[Address, str] | None = None,
) -> Gaps:
    """Compare a call's rule with its body.

    Args:
        site: the call.
        operands: that it received, on the values of the tool.
        tool: the float64 shadow.
        order: 2 for second derivatives too.
        refused: receives the calls that JAX cannot differentiate twice, and why.
    """
    call = call_functions(site, operands, tool)
    seed = zlib.crc32(repr(site.address).encode())
    point = [operands[index] for index in site.moving]
    plain, pull = jax.vjp(call.rule, *point)
    body = call.body(*point)
    first, second = noise(plain, seed), noise(plain, seed + 1)
    pulled, other = pull(first), pull(second)
    mixed = pull([b - 2 * a for a, b in zip(first, second, strict=True)])
    linear = [
        _relative(m - o + 2 * p, jnp.maximum(jnp.abs(p), jnp.abs(o)))
        for p, o, m in zip(pulled, other, mixed, strict=True)
    ]
    gaps = _gaps(site.body, call, point, first, pulled, seed + 2)
    moved = displaced(point, seed + 3)
    near_pulled = jax.vjp(call.rule, *moved)[1](first)
    near = _gaps(site.body, call, moved, first, near_pulled, seed + 2)
    again = (site, call, moved, first, seed + 5, refused)
    return Gaps(
        jnp.ones(()),
        _largest([_relative(a - b, b) for a, b in zip(plain, body, strict=True)]),
        _largest(linear),
        gaps,
        near,
        _lawless(call, point, body, first, pulled, seed + 4),
        jnp.stack([jnp.all(p == 0).astype(jnp.float64) for p in pulled]),
        sum((jnp.sum(~jnp.isfinite(b)) for b in body), start=jnp.zeros(()))
        / max(sum(b.size for b in body), 1),
        None if order == 1 else second_or_refused(*again),
    )


def _gaps(
    kind: str,
    call: _Call,
    point: Sequence[Any],
    cotangents: list[Any],
    pulled: Sequence[Any],
    seed: int,
) -> Coordinates:
    """The worst coordinate of each operand."""
    if kind == "reverse":
        right = jax.vjp(call.body, *point)[1](cotangents)
        found = [compared(p, r) for p, r in zip(pulled, right, strict=True)]
    else:
        found = [
            _along(kind, call, point, cotangents, pulled, index, seed)
            for index in range(len(point))
        ]
    return jax.tree.map(lambda *each: jnp.stack(each), *found)


def _along(
    kind: str,
    call: _Call,
    point: Sequence[Any],
    cotangents: list[Any],
    pulled: Sequence[Any],
    operand: int,
    seed: int,
) -> Coordinates:
    """The worst of a few directions, where the body has no pullback."""

    def body(moved: Any) -> Array:
        every = [*point]
        every[operand] = moved
        return _dot(cotangents, call.body(*every))

    here = point[operand]
    size = _norm(pulled[operand])

    def slope(offset: Array) -> tuple[Array, Array]:
        (direction,) = noise([here], seed + offset)
        mine = _dot([pulled[operand]], [direction])
        if kind == "forward":
            return mine, jax.jvp(body, (here,), (direction,))[1]
        step = STEP**0.5 * own_scale(here)
        return mine, (
            8 * (body(here + step * direction) - body(here - step * direction))
            - (body(here + 2 * step * direction) - body(here - 2 * step * direction))
        ) / (12 * step)

    mine, right = lax.map(slope, jnp.arange(DIRECTIONS, dtype=jnp.uint32))
    here, there = jnp.isfinite(mine), jnp.isfinite(right)
    gap = jnp.where(here & there, jnp.abs(mine - right), 0)
    relative = gap / jnp.maximum(jnp.maximum(size, jnp.abs(right)), TINY)
    at = jnp.argmax(jnp.where(here & there, relative, 0))
    return Coordinates(
        relative[at],
        jnp.full((), -1, jnp.int32),
        mine[at],
        right[at],
        jnp.sum(there & ~here).astype(jnp.float64),
        jnp.sum(here & ~there).astype(jnp.float64),
        gap.max(),
        jnp.maximum(size, jnp.max(jnp.where(there, jnp.abs(right), 0))),
    )


def _lawless(
    call: _Call,
    point: Sequence[Any],
    body: Sequence[Any],
    cotangents: Sequence[Any],
    pulled: Sequence[Any],
    seed: int,
) -> Array:
    """How far the slope by the rule lies outside the one-sided slopes of the body.

    Along one direction each output has two one-sided slopes; what the cotangents
    make of them bounds the slope by a rule that is right at kinks. An infinite
    slope, at a cusp or the edge of a domain, bounds nothing.
    """
    direction = noise(point, seed)
    steps = [
        STEP * own_scale(operand) * d
        for operand, d in zip(point, direction, strict=True)
    ]

    def slopes(sign: float) -> list[Any]:
        moved = call.body(*(p + sign * s for p, s in zip(point, steps, strict=True)))
        return [(m - b) * sign for m, b in zip(moved, body, strict=True)]

    low, high = jnp.zeros(()), jnp.zeros(())
    for cotangent, ahead, behind in zip(
        cotangents, slopes(1.0), slopes(-1.0), strict=True
    ):
        one = jnp.real(cotangent * ahead)
        other = jnp.real(cotangent * behind)
        one, other = (
            jnp.where(jnp.isfinite(one), one, other),
            jnp.where(jnp.isfinite(other), other, one),
        )
        low = low + jnp.sum(jnp.minimum(one, other))
        high = high + jnp.sum(jnp.maximum(one, other))
    mine = _dot(pulled, steps)
    outside = jnp.maximum(jnp.maximum(mine - high, low - mine), 0)
    size = sum(_norm(p * s) for p, s in zip(pulled, steps, strict=True))
    size = jnp.maximum(jnp.maximum(size, jnp.abs(high)), jnp.abs(low))
    return jnp.where(outside > 0, outside / jnp.maximum(size, TINY), 0.0)


def _dot(left: Sequence[Any], right: Sequence[Any]) -> Array:
    """Sum of products, as a pullback pairs a cotangent and a tangent."""
    total = jnp.zeros(())
    for a, b in zip(left, right, strict=True):
        total = total + jnp.sum(jnp.real(a * b))
    return total


def _norm(array: Any) -> Array:
    return jnp.sqrt(jnp.sum(jnp.abs(array) ** 2))


def _relative(gap: Any, size: Any) -> Array:
    """Largest gap relative to the largest size; infinite where not finite."""
    if not gap.size:
        return jnp.zeros(())
    most, of = jnp.max(jnp.abs(gap)), jnp.max(jnp.abs(size))
    relative = jnp.where(most > 0, most / jnp.maximum(of, TINY), 0.0)
    return jnp.where(jnp.isnan(relative), jnp.inf, relative)


def _largest(parts: Sequence[Array]) -> Array:
    return jnp.max(jnp.stack(parts)) if parts else jnp.zeros(())
