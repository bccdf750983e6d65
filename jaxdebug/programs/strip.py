"""`strip`: the same function without its custom derivative rules.

Each call of a function with a rule of its own becomes the function's body, so a
derivative of the result is made of JAX's rules alone. Where it differs from the
derivative of the function itself, a custom rule is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import jax

from jaxdebug.programs.equation import CUSTOM_RULES, Equation
from jaxdebug.programs.program import (
    Transformed,
    by_signature,
    require_function,
    trace,
    transform,
)
from jaxdebug.programs.rules.custom_rule import body_of_some
from jaxdebug.programs.rules.rule import Rule
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.self_test import require_rules
from jaxdebug.programs.tool import IDENTITY


def stripped_rules(keeps: Callable[[Equation], bool] = lambda _: False) -> RuleTable:
    """Rules under which custom derivative rules are left out.

    Args:
        keeps: which calls keep theirs.
    """
    table = DEFAULT_RULES
    for primitive in CUSTOM_RULES:
        rule = DEFAULT_RULES[primitive]
        table = table.with_rule(
            primitive, Rule(rule.bodies, body_of_some(rule.apply, keeps))
        )
    return table


def strip(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The same function without its custom derivative rules.

    Args:
        fn: a function of pytrees of arrays.

    Returns:
        A function with the arguments of `fn` and its values, whose derivatives are
        those of the bodies of `jax.custom_jvp` and `jax.custom_vjp` functions.

    Cost:
        One more trace of `fn`.

    Limits:
        A rule that a derivative inside `fn` has used already stays used. Bodies
        that JAX cannot differentiate, such as kernels, raise JAX's own error when
        the result is differentiated. The linear solves of `jax.lax` keep their
        transposition.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> @jax.custom_jvp
        ... def double(x):
        ...     return 2.0 * x
        >>> _ = double.defjvp(lambda x, t: (2 * x[0], 3 * t[0]))
        >>> float(jax.grad(double)(1.0)), float(jax.grad(strip(double))(1.0))
        (3.0, 2.0)
    """
    require_function("strip", fn)
    rules = stripped_rules()

    @by_signature
    def plan(*args: Any, **kwargs: Any) -> Any:
        require_rules("strip")
        program = trace(fn, *args, **kwargs)
        return Stripped(program.out_tree, transform(program, IDENTITY, rules=rules))

    @wraps(fn, updated=())
    def stripped(*args: Any, **kwargs: Any) -> Any:
        return plan(*args, **kwargs)(*args, **kwargs)

    return stripped


class Stripped(NamedTuple):
    """A program without its custom derivative rules, traced once."""

    out_tree: Any
    transformed: Transformed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it on arguments of the structure it was traced with."""
        results, _ = self.transformed(jax.tree.leaves((args, kwargs)))
        return jax.tree.unflatten(self.out_tree, results)

    @property
    def constants(self) -> list[Any]:
        """Arrays that the trace captured."""
        return list(self.transformed.jaxpr.consts)
