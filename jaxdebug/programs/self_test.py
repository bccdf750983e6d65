"""Whether the rules work on the JAX in use: each runs one tiny program.

JAX changes the parameters of its primitives from one minor version to the next. On a
version nobody tested, a tool asks here before its first trace and refuses by name,
where it would otherwise give wrong numbers or an error from the middle of a rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from jaxdebug.programs._jax import ir, versions
from jaxdebug.programs.program import Program, trace, transform
from jaxdebug.programs.rules.table import DEFAULT_RULES, RuleTable
from jaxdebug.programs.tool import IDENTITY

# Far above rounding, far below what a wrong rule does to these programs.
TOLERANCE = 1e-3


def check_rules(rules: RuleTable = DEFAULT_RULES) -> dict[str, str | None]:
    """Run one tiny program for each rule, and again under the identity tool.

    Args:
        rules: the table to check.

    Returns:
        For each rule None, or why it does not work, in one line. Names that are
        spellings of one primitive on different JAX versions share the outcome of
        the one that the JAX in use has.

    Cost:
        A trace and a compilation of each program.
    """
    # A thread of its own has none of the caller's traces, meshes and settings.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_check, rules).result()


def require_rules(tool: str) -> None:
    """Refuse to go on where the rules do not work.

    Args:
        tool: the name of the function that asks.

    Raises:
        RuntimeError: on a JAX version nobody tested, if a rule does not work.

    Cost:
        None on a tested version; else one run of `check_rules` in a process.
    """
    if versions.is_tested():
        return
    broken = [f"{name}: {why}" for name, why in _default_rules().items() if why]
    if broken:
        lines = "".join(f"\n  {line}" for line in broken)
        raise RuntimeError(
            f"{tool}: expected rules that work on the JAX in use; found on "
            f"jax=={versions.jax_version()}, which is not a tested version, that "
            f"{len(broken)} do not:{lines}\nInstall a tested JAX "
            f"({', '.join(versions.TESTED)}) or a newer jaxdebug. `jaxdebug doctor` "
            "shows every rule."
        )


@functools.cache
def _default_rules() -> dict[str, str | None]:
    return check_rules()


class _Case(NamedTuple):
    """A function of one vector that traces to one of some primitives."""

    names: tuple[str, ...]
    """The primitive, under each name that a JAX version has for it."""
    function: Callable[[jax.Array], Any]
    gradient: bool = False
    """Whether the gradient is compared as well: where a rule is made for it."""


def _check(rules: RuleTable) -> dict[str, str | None]:
    with ExitStack() as settings:
        # These hold for all threads when they are set for the whole process.
        settings.enter_context(jax.disable_jit(False))
        settings.enter_context(jax.transfer_guard("allow"))
        outcomes: dict[str, str | None] = {}
        for case in CASES:
            outcome = _fault(case, rules)
            outcomes.update(dict.fromkeys(case.names, outcome))
    return {name: outcomes.get(name, "no program tests this rule") for name in rules}


def _fault(case: _Case, rules: RuleTable) -> str | None:
    # A rule that meets an unknown JAX may raise anything, and that is the answer.
    try:
        program = trace(case.function, X)
        primitives = [*dict.fromkeys(_primitives(program.jaxpr))]
        if not any(name in primitives for name in case.names):
            return (
                f"its program was traced to {', '.join(primitives)}, which has no "
                f"{' or '.join(case.names)}"
            )
        pairs = jax.device_get(_both(case, program, rules))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return f"raised {type(error).__name__}: {first}"
    for what in ("output", "gradient"):
        if what in pairs and not _agree(*pairs[what]):
            return f"the {what} of its program differs from the original's"
    return None


def _both(case: _Case, program: Program, rules: RuleTable) -> dict[str, Any]:
    """What the original and the interpreted program give, in one compilation."""

    def interpreted(x: jax.Array) -> Any:
        results, _ = transform(program, IDENTITY, rules=rules)([x])
        return jax.tree.unflatten(program.out_tree, results)

    def gradient(function: Callable[[jax.Array], Any], x: jax.Array) -> Any:
        results, pull = jax.vjp(function, x)
        return pull(jax.tree.map(lax.cos, results))

    @jax.jit
    def run(x: jax.Array) -> dict[str, Any]:
        functions = (case.function, interpreted)
        pairs = {"output": tuple(function(x) for function in functions)}
        if case.gradient:
            pairs["gradient"] = tuple(gradient(function, x) for function in functions)
        return pairs

    return run(X)


def _agree(expected: Any, found: Any) -> bool:
    expected, found = jax.tree.leaves(expected), jax.tree.leaves(found)
    return len(expected) == len(found) and all(
        a.shape == b.shape and a.dtype == b.dtype and np.allclose(a, b, TOLERANCE)
        for a, b in zip(expected, found, strict=True)
    )


def _primitives(jaxpr: ir.ClosedJaxpr) -> Iterator[str]:
    for equation in jaxpr.jaxpr.eqns:
        yield equation.primitive.name
        for body in ir.nested_jaxprs(equation):
            yield from _primitives(body)


# The programs. They call `lax`, not `jax.numpy`, whose functions are jitted: a broken
# rule for jit would then be the fault of every program.

X = np.array([0.5, 1.25, 2.0], np.float32)


def _jit(x: jax.Array) -> Any:
    return jax.jit(lambda x: (lax.sin(x), x))(x)


def _checkpoint(x: jax.Array) -> Any:
    return jax.checkpoint(lambda x: lax.sin(lax.sin(x)))(x)


def _call(x: jax.Array) -> Any:
    """The gradient of a checkpoint hoists what is constant in a loop into a call."""

    def loop(x: jax.Array) -> Any:
        def body(carry: jax.Array, row: jax.Array) -> Any:
            return lax.sin(carry * lax.cos(x)) * row, None

        return lax.scan(body, x, lax.cos(X))[0]

    policy = jax.checkpoint_policies.everything_saveable
    return jax.vjp(jax.checkpoint(loop, policy=policy), x)[1](x)


def _composite(x: jax.Array) -> Any:
    return lax.composite(lambda x: lax.sin(x) * 2, "jaxdebug.self_test")(x)


def _scan(x: jax.Array) -> Any:
    return lax.scan(lambda c, row: (lax.sin(c * x) + row, c * row), x, x)


def _while(x: jax.Array) -> Any:
    return lax.while_loop(
        lambda c: (c[0] < 3) & (x[0] < 9), lambda c: (c[0] + 1, c[1] * x), (0, x)
    )


def _cond(x: jax.Array) -> Any:
    return lax.cond(x[0] > 1, lax.sin, lambda x: lax.cos(x) * 2, x)


# Derivatives that are deliberately not the body's, so that losing a rule shows.


@jax.custom_jvp
def _with_jvp(x: jax.Array) -> jax.Array:
    return lax.sin(x) * 2


@_with_jvp.defjvp
def _with_jvp_rule(primals: Any, tangents: Any) -> Any:
    return _with_jvp(*primals), 5 * tangents[0] * lax.cos(primals[0])


@jax.custom_vjp
def _with_vjp(x: jax.Array) -> jax.Array:
    return lax.sin(x) * 2


_with_vjp.defvjp(
    lambda x: (_with_vjp(x), lax.cos(x)), lambda saved, ct: (7 * ct * saved,)
)


def _shard_map(x: jax.Array) -> Any:
    axes = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((1,), ("d",), axes, devices=jax.local_devices()[:1])
    mapped = jax.shard_map(
        lambda x: (lax.sin(x), lax.psum(x * 2, "d")),
        mesh=mesh,
        in_specs=PartitionSpec("d"),
        out_specs=(PartitionSpec("d"), PartitionSpec()),
    )
    return mapped(x)


def _linear_solve(x: jax.Array) -> Any:
    scale = x * x + 1
    return lax.custom_linear_solve(
        lambda v: scale * v, x, lambda _, b: b / scale, symmetric=True
    )


CASES = (
    _Case(("jit",), _jit),
    _Case(("remat2", "checkpoint"), _checkpoint),
    _Case(("closed_call", "core_call", "eval_jaxpr"), _call),
    _Case(("composite",), _composite),
    _Case(("scan",), _scan),
    _Case(("while",), _while),
    _Case(("cond",), _cond),
    _Case(("custom_jvp_call",), _with_jvp, gradient=True),
    _Case(("custom_vjp_call",), _with_vjp, gradient=True),
    _Case(("shard_map",), _shard_map),
    _Case(("custom_linear_solve",), _linear_solve, gradient=True),
)
