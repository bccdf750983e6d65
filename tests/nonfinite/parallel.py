"""What fails inside shard_map and on arrays that are split over devices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.nonfinite.case import Cases

PARALLEL = Cases()
DATA = P("data")
BOTH = P("data", "model")
EXPLICIT = AxisType.Explicit
X = np.arange(16, dtype=np.float32)


def mesh(*shape: int, kind: AxisType = AxisType.Auto) -> Any:
    names = ("data", "model")[: len(shape)]
    devices = np.array(jax.devices()[: int(np.prod(shape))]).reshape(shape)
    return jax.sharding.Mesh(devices, names, axis_types=(kind,) * len(shape))


def mapped(
    over: Any = DATA,
    shape: tuple[int, ...] = (8,),
    out: Any = None,
    kind: AxisType = AxisType.Auto,
    **options: Any,
) -> Callable[[Any], Any]:
    """Makes a function of one array a shard_map, over a mesh made when it is called."""

    def through(function: Any) -> Any:
        def program(x: Any) -> Any:
            return jax.shard_map(
                function,
                mesh=mesh(*shape, kind=kind),
                in_specs=over,
                out_specs=over if out is None else out,
                **options,
            )(x)

        return program

    return through


def typed(x: Any, *shape: int, over: Any = DATA) -> Callable[[], tuple[Any, ...]]:
    """Makes an array whose type says how it is split, as `jax.make_mesh` has it."""
    return lambda: (
        jax.device_put(x, NamedSharding(mesh(*shape, kind=EXPLICIT), over)),
    )


def nested(outer: Any, inner: Any, **options: Any) -> Callable[[Any], Any]:
    """Makes a function a shard_map over one axis, inside another over the other one."""

    def through(function: Any) -> Any:
        def outside(x: Any) -> Any:
            inside = jax.shard_map(
                function,
                in_specs=inner,
                out_specs=inner,
                axis_names={"model"},
                **options,
            )
            return inside(x - 1)

        return mapped(outer, (4, 2), axis_names={"data"}, **options)(outside)

    return through


def gradient(through: Any) -> Callable[[Any], Any]:
    return lambda function: jax.grad(lambda x: through(function)(x).sum())


@PARALLEL.add("log", X - 12.5, through=mapped(), reason="log of -12.5")
def log_on_each_device(x: Any) -> Any:
    return jnp.log(x)  # failed


@PARALLEL.add("log", X - 12.5, through=mapped(shape=(1,)))
def log_on_one_device(x: Any) -> Any:
    return jnp.log(x)  # failed


@PARALLEL.add("log", X - 2.5, through=mapped(out=P()))
def sum_over_devices(x: Any) -> Any:
    logs = jnp.log(x).sum()  # failed
    return lax.psum(logs, "data")


@PARALLEL.add(
    "mul", X, cause="div", direction="backward", through=gradient(mapped()),
    reason="where: the branch not taken",
)  # fmt: skip
def gradient_on_each_device(x: Any) -> Any:
    y = jnp.where(x > 0, jnp.sqrt(x), 0.0)  # failed and cause
    return y + lax.psum(y.sum(), "data")


@PARALLEL.add("div", np.ones(16, np.float32), through=mapped(), reason="0/0")
def normalised_over_devices(x: Any) -> Any:
    mean = lax.pmean(x.mean(), "data")
    spread = lax.pmax(x.max(), "data") - lax.pmin(x.min(), "data")
    return (x - mean) / spread  # failed


@PARALLEL.add("log", X + 2.5, through=mapped(), iteration=(3,), reason="log of -0.5")
def scan_on_each_device(x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        return c - 1, jnp.log(c)  # failed

    return lax.scan(step, x, None, length=4)[1].sum(0)


@PARALLEL.add("log", X.reshape(4, 4) - 14.5, through=mapped(BOTH, (4, 2)))
def log_on_a_grid_of_devices(x: Any) -> Any:
    y = jnp.log(x)  # failed
    return y + lax.psum(y, "model")


@PARALLEL.add("log", X - 9.5, through=mapped(check_vma=False))
def log_without_the_check(x: Any) -> Any:
    return x + lax.psum(jnp.log(x), "data")  # failed


@PARALLEL.add("div", X, through=mapped(check_vma=False), reason="0/0")
def neighbours_difference(x: Any) -> Any:
    other = lax.ppermute(x, "data", [(i, (i + 1) % 8) for i in range(8)])
    same = x - lax.all_gather(x, "data", tiled=True)[:2]
    return same / (same * other)  # failed


@PARALLEL.add("log", X - 12.5, through=mapped(), reason="log of")
def branch_on_each_device(x: Any) -> Any:
    return lax.cond(
        lax.axis_index("data") == 2,
        lambda x: jnp.log(x),  # failed
        lambda x: x,
        x,
    )


@PARALLEL.add("sqrt", X + 1, through=mapped(), iteration=(1,))
def while_on_each_device(x: Any) -> Any:
    return lax.while_loop(
        lambda x: x.max() > -2,
        lambda x: jnp.sqrt(x) - 4.5,  # failed
        x,
    )


@PARALLEL.add("log", X - 12.5, through=lambda f: jax.jit(jax.vmap(f)))
def split_over_devices(x: Any) -> Any:
    x = lax.with_sharding_constraint(x, NamedSharding(mesh(8), P()))
    return jnp.log(x)  # failed


@PARALLEL.add(
    "log",
    make=lambda: (jax.device_put(X - 12.5, NamedSharding(mesh(8), P("data"))),),
    through=partial(jax.jit, donate_argnums=0),
)
def array_on_all_devices(x: Any) -> Any:
    return jnp.log(x).sum()  # failed


@PARALLEL.add("log", X - 2.5, through=lambda f: jax.vmap(f, axis_name="batch"))
def collective_under_vmap(x: Any) -> Any:
    return x + lax.psum(jnp.log(x), "batch")  # failed


@PARALLEL.add("log", make=typed(X - 12.5, 8))
def array_of_a_typed_mesh(x: Any) -> Any:
    return jnp.log(x).sum()  # failed


@PARALLEL.add(
    "log", make=typed(X - 2.5, 8), through=mapped(out=P(), kind=EXPLICIT)
)  # fmt: skip
def sum_over_a_typed_mesh(x: Any) -> Any:
    logs = jnp.log(x).sum()  # failed
    return lax.psum(logs, "data")


@PARALLEL.add(
    "mul", cause="div", direction="backward", reason="where: the branch not taken",
    make=typed(X, 8), through=gradient(mapped(kind=EXPLICIT)),
)  # fmt: skip
def gradient_on_a_typed_mesh(x: Any) -> Any:
    y = jnp.where(x > 0, jnp.sqrt(x), 0.0)  # failed and cause
    return y + lax.psum(y.sum(), "data")


@PARALLEL.add(
    "log", make=typed(X.reshape(4, 4) - 14.5, 4, 2, over=BOTH),
    through=mapped(BOTH, (4, 2), kind=EXPLICIT),
)  # fmt: skip
def log_on_a_typed_grid(x: Any) -> Any:
    y = jnp.log(x)  # failed
    return y + lax.psum(y, "model")


@PARALLEL.add(
    "log", make=typed(X + 2.5, 8), through=mapped(kind=EXPLICIT), iteration=(3,),
)  # fmt: skip
def scan_on_a_typed_mesh(x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        return c - 1, lax.psum(jnp.log(c), "data")  # failed

    return x + lax.scan(step, x, None, length=4)[1].sum(0)


@PARALLEL.add("log", X.reshape(4, 4) - 13.5, through=nested(DATA, P(None, "model")))
def shards_within_shards(x: Any) -> Any:
    y = jnp.log(x)  # failed
    return y + lax.psum(y, "model")


@PARALLEL.add(
    "div", np.ones((4, 4), np.float32),
    through=nested(DATA, P(None, "model"), check_vma=False), reason="0/0",
)  # fmt: skip
def both_axes_within_shards(x: Any) -> Any:
    return x / lax.psum(lax.psum(x, "data"), "model")  # failed


@PARALLEL.add(
    "log", X.reshape(4, 4) + 3.5, through=nested(DATA, P(None, "model")),
    iteration=(3,),
)  # fmt: skip
def scan_within_shards(x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        return c - 1, lax.psum(jnp.log(c), ("data", "model"))  # failed

    return x + lax.scan(step, x, None, length=4)[1].sum(0)


@PARALLEL.add(
    "log", make=typed(X.reshape(4, 4) - 13.5, 4, 2),
    through=mapped(DATA, (4, 2), kind=EXPLICIT, axis_names={"data"}),
)  # fmt: skip
def some_axes_of_a_typed_mesh(x: Any) -> Any:
    y = jnp.log(x)  # failed
    return y + lax.psum(y, "data")
