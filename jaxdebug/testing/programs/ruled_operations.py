"""Rules as instructions: `custom_jvp` and `custom_vjp` in JAX, and in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.testing.programs.dual import Dual, clearance
from jaxdebug.testing.programs.operation import Operation, Settings, Shapes
from jaxdebug.testing.programs.rules import RULES, spoilt

STYLES = ("jvp", "vjp", "vjp-while")
"""custom_jvp; custom_vjp; custom_vjp of a function that stands in a while loop."""


def _traced(name: str) -> Callable[..., Any]:
    """The rule in JAX."""
    rule = RULES[name]

    def traced(body: Any, settings: Settings, *given: Any) -> Any:
        style, wrong, *chosen = settings
        dtype = jnp.result_type(*given)
        operands = tuple(x.astype(dtype) for x in given)

        def tangent(xs: Any, ts: Any, at: Sequence[Any]) -> Any:
            def of(kind: str) -> Any:
                plain = rule.tangent(jnp, xs, ts, kind)
                return spoilt(jnp, xs, plain, kind).astype(dtype)

            if not at:
                return of(wrong)
            cases = [jnp.where(at[0] == k, of(kind), 0) for k, kind in enumerate(wrong)]
            return sum(cases[1:], cases[0])

        def function(*xs: Any) -> Any:
            return rule.function(jnp, *xs[: rule.operands])

        function.__name__ = _named(name, wrong)
        make = _forward_rule if style == "jvp" else _reverse_rule
        return make(function, tangent, rule.operands, style)(*operands, *chosen)

    return traced


def _named(name: str, wrong: Any) -> str:
    mistake = wrong if isinstance(wrong, str) else ""
    return f"{name}_{mistake}".rstrip("_").replace("-", "_")


def _forward_rule(function: Any, tangent: Any, count: int, style: str) -> Any:
    made = jax.custom_jvp(function)

    @made.defjvp
    def rule(xs: Any, ts: Any) -> Any:
        return made(*xs), tangent(xs[:count], ts[:count], xs[count:])

    return made


def _reverse_rule(function: Any, tangent: Any, count: int, style: str) -> Any:
    def primal(*xs: Any) -> Any:
        if style == "vjp":
            return function(*xs)
        zero = jax.eval_shape(function, *xs)
        start: Any = 0, jnp.zeros(zero.shape, zero.dtype)
        return lax.while_loop(
            lambda state: state[0] < 1, lambda state: (1, function(*xs)), start
        )[1]

    def backward(xs: Any, g: Any) -> Any:
        moving, at = xs[:count], xs[count:]
        turned = jax.linear_transpose(lambda *ts: tangent(moving, ts, at), *moving)
        return (*turned(g), *[None for _ in at])

    primal.__name__ = function.__name__
    made = jax.custom_vjp(primal)
    made.defvjp(lambda *xs: (primal(*xs), xs), backward)
    return made


def _dual(name: str) -> Callable[..., Dual]:
    """The rule in NumPy, with the mistake that its settings say."""
    rule = RULES[name]

    def dual(body: Any, settings: Settings, *duals: Dual) -> Dual:
        _, wrong = settings
        xs = [dual.value for dual in duals]
        value = rule.function(np, *xs)
        rows = [
            spoilt(np, xs, rule.tangent(np, xs, ts, wrong), wrong)
            for ts in zip(*(dual.tangent for dual in duals), strict=True)
        ]
        return Dual(value, np.stack(rows), clearance(duals))

    return dual


def _fits(name: str) -> Callable[[Shapes], list[Settings]]:
    def fits(shapes: Shapes) -> list[Settings]:
        return [(style, "") for style in STYLES] if RULES[name].fits(shapes) else []

    return fits


RULED: dict[str, Operation] = {
    name: Operation(rule.operands, _traced(name), _dual(name), _fits(name), "rule")
    for name, rule in RULES.items()
}
