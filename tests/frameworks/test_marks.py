"""Marks: an identity under every transformation, and no trace of it anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxdebug.programs.markers import mark_outputs
from jaxdebug.programs.program import trace as traced
from jaxdebug.programs.program import transform
from jaxdebug.programs.tool import IDENTITY

X = np.linspace(-1, 1, 8, dtype=np.float32)
POLICIES = jax.checkpoint_policies


def layer(x: Any, marks: bool) -> Any:
    """A layer that ends in what its own derivative reads."""
    y = jnp.tanh(x * jnp.sin(x))
    return mark_outputs(y, ("layer",)) if marks else y


def twice(marks: bool) -> Callable[..., Any]:
    return lambda x: layer(2 * layer(x, marks), marks)


def in_scan(marks: bool, **options: Any) -> Callable[..., Any]:
    def step(carry: Any, _: Any) -> Any:
        return layer(carry, marks), carry.sum()

    return lambda x: lax.scan(step, x, None, length=4, **options)[0]


def in_scan_saved_twice(marks: bool) -> Callable[..., Any]:
    """What the layer returns is saved by its own derivative and by the next one."""

    def step(carry: Any, _: Any) -> Any:
        y = jnp.exp(-carry)
        y = mark_outputs(y, ("layer",)) if marks else y
        return y * carry, None

    return lambda x: lax.scan(step, x, None, length=4)[0]


def in_cond(marks: bool) -> Callable[..., Any]:
    return lambda x: lax.cond(
        x[0] > 0, lambda x: layer(x, marks), lambda x: 3 * layer(-x, marks), x
    )


def in_while(marks: bool) -> Callable[..., Any]:
    return lambda x: lax.fori_loop(0, 3, lambda _, x: layer(x, marks), x)


def in_remat(policy: Any) -> Callable[[bool], Callable[..., Any]]:
    return lambda marks: jax.checkpoint(twice(marks), policy=policy)


def in_custom_vjp(marks: bool) -> Callable[..., Any]:
    def forward(x: Any) -> Any:
        return layer(x, marks), x

    def backward(x: Any, cotangent: Any) -> Any:
        return (cotangent * layer(x, marks),)

    rule: Any = jax.custom_vjp(twice(marks))
    rule.defvjp(forward, backward)
    return rule


def in_custom_jvp(marks: bool) -> Callable[..., Any]:
    rule: Any = jax.custom_jvp(twice(marks))

    @rule.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return layer(*primals, marks), 2 * layer(*primals, marks) * tangents[0]

    return rule


def in_shard_map(marks: bool) -> Callable[..., Any]:
    mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    return jax.shard_map(twice(marks), mesh=mesh, in_specs=P("i"), out_specs=P("i"))


PROGRAMS: dict[str, Callable[[bool], Callable[..., Any]]] = {
    "plain": twice,
    "scan": in_scan,
    "cond": in_cond,
    "while": in_while,
    "remat": in_remat(None),
    "remat_everything": in_remat(POLICIES.everything_saveable),
    "remat_names": in_remat(POLICIES.save_only_these_names("a")),
    "custom_vjp": in_custom_vjp,
    "custom_jvp": in_custom_jvp,
    "shard_map": in_shard_map,
}


def grad(f: Any) -> Any:
    return jax.grad(lambda x: jnp.sum(f(x) ** 2))


TRANSFORMATIONS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda f: f,
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (x,)),
    "grad": grad,
    "vmap": lambda f: lambda x: jax.vmap(f)(jnp.stack([x, 2 * x])),
    "vmap_of_grad": lambda f: lambda x: jax.vmap(grad(f))(jnp.stack([x, 2 * x])),
    "grad_of_grad": lambda f: grad(grad(f)),
    "jvp_of_grad": lambda f: lambda x: jax.jvp(grad(f), (x,), (x,)),
}
GRID = [
    (name, how)
    for name in PROGRAMS
    for how in TRANSFORMATIONS
    if not (name == "custom_vjp" and "jvp" in how)  # it has no forward derivative
]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        case
        if case[1] == "grad" and "remat" not in case[0]
        else pytest.param(
            *case, marks=pytest.mark.acceptance if place % 3 else pytest.mark.slow
        )
        for place, case in enumerate(GRID)
    ],
)
def test_marks_are_an_identity(name: str, how: str) -> None:
    """The compiled program is the same one, and an interpreted one has no mark."""
    plain, marked = (TRANSFORMATIONS[how](PROGRAMS[name](m)) for m in (False, True))
    one, other = jax.jit(plain)(X), jax.jit(marked)(X)
    jax.tree.map(np.testing.assert_array_equal, one, other)
    program = traced(marked, X)
    without = transform(program, IDENTITY)
    assert "jaxdebug_mark" in str(program.jaxpr)
    if how == "itself":
        assert "jaxdebug_mark" not in str(without.jaxpr)
    again = jax.jit(lambda x: without([x])[0])(X)
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(one), again)


def memory(function: Any, *args: Any) -> int:
    analysis: Any = jax.jit(function).lower(*args).compile().memory_analysis()
    return analysis.temp_size_in_bytes


IN_MEMORY = {
    "scan_saved_twice": in_scan_saved_twice,
    **{key: PROGRAMS[key] for key in ("plain", "scan", "remat", "remat_everything")},
}


@pytest.mark.parametrize("name", IN_MEMORY)
def test_marks_take_no_memory(name: str) -> None:
    x = np.zeros(10_000, np.float32)
    plain, marked = (grad(IN_MEMORY[name](m)) for m in (False, True))
    program = traced(marked, x)
    without = transform(program, IDENTITY)
    assert memory(lambda x: without([x])[0], x) <= memory(plain, x) + 1000
