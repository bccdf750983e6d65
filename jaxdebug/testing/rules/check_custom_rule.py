"""`check_custom_rule`: property tests of a function with a derivative rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

from jaxdebug.checks.arguments import require_names, require_order, require_seed
from jaxdebug.programs.program import require_function
from jaxdebug.testing.layers.again import Again, one_or_tuple
from jaxdebug.testing.layers.arguments import (
    require_domain,
    require_examples,
    several,
)
from jaxdebug.testing.layers.plain_layer import plain_layer
from jaxdebug.testing.layers.report import LayerReport
from jaxdebug.testing.layers.trial import Trial
from jaxdebug.testing.layers.tried import chosen, looked_at, tried
from jaxdebug.testing.rules.derivative import custom_rules, with_derivative
from jaxdebug.testing.rules.properties import rule_properties


def check_custom_rule(
    fn: Callable[..., Any],
    inputs: Any = None,
    *,
    nondiff_argnums: Sequence[int] | None = None,
    expected: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    domain: tuple[float, float] | None = None,
    order: int = 2,
    examples: int = 24,
    seed: int = 0,
) -> LayerReport:
    """Whether a custom derivative rule is right, on inputs that Hypothesis draws.

    The rule is compared with its own function by `check_gradients`, and asked for what
    holds of any rule: that its value is the function's, that it is linear, that a
    cotangent of zero gives zero, that each operand and output alone has the derivative
    that it has with the others, where JAX hands over zeros that it knows to be zero,
    that dtypes are kept, and that jit, vmap, scan and remat do not change it.

    Args:
        fn: a `jax.custom_jvp` or `jax.custom_vjp` function, or one that calls some.
        inputs: a strategy of an operand, such as `arrays(avoid=[0.0])`, an array, or a
            tuple of these for several operands; batches of vectors by default.
        nondiff_argnums: operands that are no arrays: what stands in their place in
            `inputs` is handed over as it is. Those that `fn` declares by default.
        expected: names of rules that are meant to differ from their function, such as
            a straight-through estimator.
        only: names of the properties to try; by default all.
        skip: names of properties not to try.
        domain: numbers that operands lie between; the gradient is asked to be finite
            at both instead of at zero and at large and small numbers.
        order: 2 to check second derivatives too.
        examples: how many inputs are tried.
        seed: of keys and examples.

    Returns:
        A report with a verdict for each property; `raise_if_failed()` in a test.

    Raises:
        TypeError: if `fn` is no function; whatever it raises when it is called.
        ValueError: if no custom rule is met by its derivative, if `inputs` leaves
            out an operand that is not differentiated by, or a name is not known.

    Cost:
        One program for each shape of inputs, and the two of `check_gradients` for the
        first one, four with `order=2`.

    Limits:
        A rule of an operation inside another rule is reached only as far as the outer
        one calls it. Where a rule differs on purpose, name it in `expected`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> @jax.custom_jvp
        ... def cube(x):
        ...     return x**3
        >>> _ = cube.defjvp(lambda x, t: (cube(*x), x[0] ** 2 * t[0]))
        >>> report = check_custom_rule(cube, order=1, examples=3)
        >>> [one.name for one in report.properties if one.verdict.value == "fail"]
        ['gradients']
    """
    require_function("check_custom_rule", fn)
    require_seed("check_custom_rule", seed)
    meant = require_names("check_custom_rule", expected)
    require_order("check_custom_rule", order)
    require_examples("check_custom_rule", examples)
    require_domain("check_custom_rule", domain)
    function, operands, fixed = _without_fixed(fn, inputs, nondiff_argnums)
    rules: list[str] = []

    def look(args: tuple[Any, ...]) -> None:
        if not rules:
            rules.extend(custom_rules(function, args))

    strategy = several("check_custom_rule", "inputs", operands)
    looked_at(strategy, look, 1)
    if not rules:
        raise ValueError(
            "check_custom_rule expects a function whose derivative goes through a "
            f"jax.custom_jvp or jax.custom_vjp; that of "
            f"{getattr(fn, '__name__', 'the function')} meets none. "
            "Use check_layer for functions without."
        )
    plain = plain_layer(function, None, {})
    forward = not any("(custom_vjp)" in rule for rule in rules)
    known = rule_properties(plain, order, meant, forward=forward)
    properties = chosen("check_custom_rule", known, (), only, skip)
    return tried(
        Again(
            check_custom_rule,
            plain.made,
            partial(_among_fixed, fixed),
            {"inputs": inputs},
            {
                "nondiff_argnums": nondiff_argnums,
                "expected": expected,
                "domain": domain,
                "order": order,
                "examples": examples,
            },
        ),
        Trial(with_derivative(plain), properties, False, frozenset(), domain, seed),
        strategy,
        examples=examples,
        seed=seed,
        said=(f"rules met: {', '.join(rules)}",),
    )


def _without_fixed(
    fn: Callable[..., Any], inputs: Any, nondiff_argnums: Sequence[int] | None
) -> tuple[Callable[..., Any], Any, dict[int, Any]]:
    """The function of its other operands, the strategies of these, and the fixed."""
    if nondiff_argnums is None:
        nondiff_argnums = tuple(getattr(fn, "nondiff_argnums", ()))
    if not nondiff_argnums:
        return fn, inputs, {}
    if not isinstance(inputs, tuple) or len(inputs) <= max(nondiff_argnums):
        raise ValueError(
            "check_custom_rule expects inputs to be a tuple with every operand, those "
            f"at {tuple(nondiff_argnums)} as they are handed over; found {inputs!r}."
        )
    fixed = {i: inputs[i] for i in nondiff_argnums}
    count = len(inputs)

    @wraps(fn)
    def function(*args: Any) -> Any:
        rest = iter(args)
        return fn(*(fixed[i] if i in fixed else next(rest) for i in range(count)))

    rest = tuple(one for i, one in enumerate(inputs) if i not in fixed)
    return function, rest, fixed


def _among_fixed(fixed: dict[int, Any], texts: Sequence[str]) -> str:
    """Operands as one argument, with those that are no arrays in their places."""
    own = iter(texts)
    count = len(texts) + len(fixed)
    return one_or_tuple(
        [repr(fixed[i]) if i in fixed else next(own) for i in range(count)]
    )
