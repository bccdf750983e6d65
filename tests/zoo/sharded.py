"""Data-parallel and tensor-parallel training over all devices, eight in the tests."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.zoo.program import ZooProgram

TX = optax.adam(1e-2)
ROWS = 16


def _mesh() -> Mesh:
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def _params() -> dict[str, jax.Array]:
    return {"w": jnp.ones((4, 8)) / 4, "b": jnp.zeros(8), "v": jnp.ones(8) / 8}


def _batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4)).astype(np.float32)
    return {"x": x, "y": rng.normal(size=ROWS).astype(np.float32)}


def _loss(params: Any, batch: Any) -> jax.Array:
    hidden = jnp.tanh(batch["x"] @ params["w"] + params["b"])
    return jnp.mean((hidden @ params["v"] - batch["y"]) ** 2)


def _apply(state: Any, loss: jax.Array, grads: Any) -> tuple[Any, Any]:
    params, opt_state = state
    updates, opt_state = TX.update(grads, opt_state, params)
    return (optax.apply_updates(params, updates), opt_state), {"loss": loss}


def _placed(
    name: str,
    mesh: Mesh,
    loss_fn: Callable[..., jax.Array],
    train_step: Callable[..., Any],
    specs: Any = None,
) -> ZooProgram:
    """Shard the batch by rows and the parameters by `specs`, replicated by default."""
    params = _params()
    specs = specs or jax.tree.map(lambda _: P(), params)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    params = jax.device_put(params, shardings)
    batch = jax.device_put(_batch(), NamedSharding(mesh, P("data")))
    state = (params, jax.jit(TX.init)(params))
    return ZooProgram(name, loss_fn, params, batch, (), False, train_step, state)


def sharded_jit() -> ZooProgram:
    """`jit` with NamedSharding in and out: replicated state, a batch cut by rows."""
    mesh = _mesh()
    replicated, by_row = NamedSharding(mesh, P()), NamedSharding(mesh, P("data"))

    def step(state: Any, batch: Any) -> tuple[Any, Any]:
        return _apply(state, *jax.value_and_grad(_loss)(state[0], batch))

    train_step = jax.jit(
        step, in_shardings=(replicated, by_row), out_shardings=(replicated, replicated)
    )
    program = _placed("sharded_jit", mesh, _loss, train_step)
    return program._replace(state=jax.device_put(program.state, replicated))


def sharded_tensor_parallel() -> ZooProgram:
    """Hidden units cut over the devices, with a constraint on the activations."""
    mesh = _mesh()
    by_unit = NamedSharding(mesh, P(None, "data"))

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        hidden = jnp.tanh(batch["x"] @ params["w"] + params["b"])
        hidden = jax.lax.with_sharding_constraint(hidden, by_unit)
        return jnp.mean((hidden @ params["v"] - batch["y"]) ** 2)

    @jax.jit
    def train_step(state: Any, batch: Any) -> tuple[Any, Any]:
        return _apply(state, *jax.value_and_grad(loss_fn)(state[0], batch))

    specs = {"w": P(None, "data"), "b": P("data"), "v": P("data")}
    return _placed("sharded_tensor_parallel", mesh, loss_fn, train_step, specs)


def _shard_mapped(name: str, check_vma: bool) -> ZooProgram:
    mesh = _mesh()

    def mean_loss(params: Any, batch: Any) -> jax.Array:
        error = _loss(params, batch)
        return jax.lax.psum(error, "data") / jax.lax.axis_size("data")

    loss_fn = jax.shard_map(
        mean_loss,
        mesh=mesh,
        in_specs=(P(), P("data")),
        out_specs=P(),
        check_vma=check_vma,
    )

    def gradient(params: Any, batch: Any) -> tuple[jax.Array, Any]:
        devices = jax.lax.axis_size("data")
        if check_vma:
            # The gradient by replicated parameters is summed over devices already.
            error, grads = jax.value_and_grad(_loss)(params, batch)
        else:
            error, grads = jax.value_and_grad(_loss)(params, batch)
            grads = jax.lax.psum(grads, "data")
        grads = jax.tree.map(lambda g: g / devices, grads)
        return jax.lax.psum(error, "data") / devices, grads

    sharded_gradient = jax.shard_map(
        gradient,
        mesh=mesh,
        in_specs=(P(), P("data")),
        out_specs=(P(), P()),
        check_vma=check_vma,
    )

    @jax.jit
    def train_step(state: Any, batch: Any) -> tuple[Any, Any]:
        return _apply(state, *sharded_gradient(state[0], batch))

    return _placed(name, mesh, loss_fn, train_step)


def shard_map_checked() -> ZooProgram:
    """`jax.shard_map` and `psum`, with replication checked."""
    return _shard_mapped("shard_map_checked", check_vma=True)


def shard_map_unchecked() -> ZooProgram:
    """`jax.shard_map` and `psum`, with replication unchecked."""
    return _shard_mapped("shard_map_unchecked", check_vma=False)


SHARDED = {
    maker.__name__: maker
    for maker in (
        sharded_jit,
        sharded_tensor_parallel,
        shard_map_checked,
        shard_map_unchecked,
    )
}
