"""Train steps whose gradient is a sum: of micro-batches, examples or devices."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from tests.steps.train_step import TrainStep, X, Y, mse, parameters


def _sum_of_rows(params: Any, x: Any, y: Any) -> Any:
    rows = jax.vmap(lambda x, y: jax.grad(mse)(params, x, y))(x[:, None], y[:, None])
    return jax.tree.map(lambda g: g.sum(0), rows)


def _first_of_adam(gradient: Any) -> Any:
    return lambda params, state, x, y: gradient(params, x, y)


def accumulated_in_a_scan() -> TrainStep:
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))

    @jax.jit
    def step(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        def micro_step(total: Any, batch: Any) -> Any:
            loss, grads = jax.value_and_grad(mse)(params, *batch)
            return jax.tree.map(jnp.add, total, grads), loss

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, losses = lax.scan(micro_step, zeros, (x[:, None], y[:, None]))
        grads = jax.tree.map(lambda g: g / len(x), total)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, losses.mean()

    params = parameters()
    return TrainStep(
        step, (params, optimizer.init(params), X, Y), _first_of_adam(_sum_of_rows)
    )


def accumulated_after_the_first() -> TrainStep:
    """The first micro-batch's gradient starts the sum of a `fori_loop`."""

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        def take(i: Any) -> Any:
            batch = lax.dynamic_slice_in_dim(x, i, 1), lax.dynamic_slice_in_dim(y, i, 1)
            return jax.value_and_grad(mse)(params, *batch)

        def body(i: Any, carry: Any) -> Any:
            return jax.tree.map(jnp.add, carry, take(i))

        loss, grads = lax.fori_loop(1, len(x), body, take(0))
        new = jax.tree.map(lambda p, g: p - 0.1 * (g / len(x)), params, grads)
        return new, loss / len(x)

    return TrainStep(step, (parameters(), X, Y), _sum_of_rows)


def running_mean_of_rows() -> TrainStep:
    """Each micro-batch enters the carry divided by their number, in float32."""
    optimizer = optax.sgd(0.1)

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        def micro_step(carry: Any, batch: Any) -> Any:
            mean, loss = carry
            value, grads = jax.value_and_grad(mse)(state[0], *batch)
            mean = jax.tree.map(
                lambda m, g: m + g.astype(jnp.float32) / len(x), mean, grads
            )
            return (mean, loss + value / len(x)), None

        zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), state[0])
        rows = x[:, None], y[:, None]
        (grads, loss), _ = lax.scan(micro_step, (zeros, 0.0), rows)
        updates, opt_state = optimizer.update(grads, state[1], state[0])
        return (optax.apply_updates(state[0], updates), opt_state), loss

    params = parameters()
    return TrainStep(
        step,
        ((params, optimizer.init(params)), X, Y),
        lambda state, x, y: jax.grad(mse)(state[0], x, y),
        old=lambda args: args[0][0],
        new=lambda out: out[0][0],
    )


def accumulated_by_hand() -> TrainStep:
    """A Python loop over two halves of the batch."""

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        total = None
        for part in range(2):
            batch = x[part::2], y[part::2]
            loss, grads = jax.value_and_grad(mse)(params, *batch)
            total = grads if total is None else jax.tree.map(jnp.add, total, grads)
        return jax.tree.map(lambda p, g: p - 0.1 * g / 2, params, total), loss

    return TrainStep(
        step,
        (parameters(), X, Y),
        lambda params, x, y: jax.tree.map(lambda g: 2 * g, jax.grad(mse)(params, x, y)),
    )


def stacked_micro_batches() -> TrainStep:
    """The scan hands every micro-batch's gradient out; the mean is taken after."""

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        def micro_step(_: Any, batch: Any) -> Any:
            return None, jax.grad(mse)(params, *batch)

        _, rows = lax.scan(micro_step, None, (x[:, None], y[:, None]))
        grads = jax.tree.map(lambda g: g.mean(0), rows)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), rows

    return TrainStep(step, (parameters(), X, Y), _sum_of_rows)


def mean_of_examples() -> TrainStep:
    """`vmap` of the gradient over examples; their mean moves the parameters."""

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        rows = jax.vmap(jax.grad(mse), (None, 0, 0))(params, x, y)
        grads = jax.tree.map(lambda g: jnp.mean(g, axis=0), rows)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), grads

    return TrainStep(step, (parameters(), X, Y), _sum_of_rows)


def data_parallel(checked: bool = False) -> TrainStep:
    """`shard_map` over the batch; gradients are averaged over devices."""
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    optimizer = optax.adam(1e-2)

    def sharded(params: Any, opt_state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(mse)(params, x, y)
        if checked:
            # The gradient by replicated parameters is summed over devices already.
            grads = jax.tree.map(lambda g: g / lax.axis_size("batch"), grads)
        else:
            grads = lax.pmean(grads, "batch")
        updates, opt_state = optimizer.update(grads, opt_state)
        loss = lax.pmean(loss, "batch")
        return optax.apply_updates(params, updates), opt_state, loss

    step = jax.jit(
        jax.shard_map(
            sharded,
            mesh=mesh,
            in_specs=(P(), P(), P("batch"), P("batch")),
            out_specs=P(),
            check_vma=checked,
        )
    )

    # Without the check, each of the two devices counts its own copy of the sum.
    copies = 1 if checked else 2

    def total(params: Any, state: Any, x: Any, y: Any) -> Any:
        grads = jax.grad(mse)(params, x, y)
        return jax.tree.map(lambda g: 2 * copies * g, grads)

    params = parameters()
    args = (params, optimizer.init(params), X, Y)
    return TrainStep(step, args, total, moved=checked)


def data_parallel_checked() -> TrainStep:
    return data_parallel(checked=True)


SUM_STEPS = {
    step.__name__: step
    for step in (
        accumulated_in_a_scan,
        accumulated_after_the_first,
        running_mean_of_rows,
        accumulated_by_hand,
        stacked_micro_batches,
        mean_of_examples,
        data_parallel,
        data_parallel_checked,
    )
}
