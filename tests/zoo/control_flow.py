"""Loops, branches and custom derivative rules inside a loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.ad_checkpoint import checkpoint_name

from tests.zoo.program import ZooProgram, trained_plainly

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=5).astype(np.float32)
SGD = optax.sgd(1e-2)


def scan_over_time() -> ZooProgram:
    """A recurrent network by `lax.scan`, with noise from a key in the carry."""
    params = {"w": 0.3 * jnp.eye(4), "u": jnp.eye(4), "v": jnp.ones(4)}
    key = jax.random.key(0)

    def loss_fn(params, batch, key):
        def cell(carry, x):
            hidden, key = carry
            key, noise_key = jax.random.split(key)
            noise = 0.01 * jax.random.normal(noise_key, hidden.shape)
            hidden = jnp.tanh(hidden @ params["w"] + x @ params["u"] + noise)
            return (hidden, key), hidden @ params["v"]

        x, y = batch
        _, predicted = jax.lax.scan(cell, (jnp.zeros(4), key), x, unroll=2)
        return jnp.mean((predicted - y) ** 2)

    return trained_plainly("scan_over_time", loss_fn, params, (X, Y), SGD, (key,))


def associative_scan() -> ZooProgram:
    """A linear state-space layer by `lax.associative_scan`."""
    params = {"decay": jnp.linspace(-1, 1, 4), "v": jnp.ones(4)}

    def loss_fn(params, batch):
        x, y = batch
        decay = jnp.broadcast_to(jax.nn.sigmoid(params["decay"]), x.shape)

        def join(left, right):
            return left[0] * right[0], right[0] * left[1] + right[1]

        _, hidden = jax.lax.associative_scan(join, (decay, x))
        return jnp.mean((hidden @ params["v"] - y) ** 2)

    return trained_plainly("associative_scan", loss_fn, params, (X, Y), SGD)


def loops_in_loss() -> ZooProgram:
    """Power iteration by `fori_loop`, and a `while_loop` that no gradient enters."""
    params = {"w": jnp.eye(4) + 0.1}

    def loss_fn(params, batch):
        x, y = batch

        def multiply(_, v):
            v = params["w"].T @ (params["w"] @ v)
            return v / jnp.linalg.norm(v)

        v = jax.lax.fori_loop(0, 3, multiply, jnp.ones(4) / 2)
        spectral_norm = jnp.linalg.norm(params["w"] @ v)
        predicted = (x @ (params["w"] / spectral_norm)).sum(-1)
        error = jnp.mean((predicted - y) ** 2)
        step = jax.lax.while_loop(
            lambda step: step * jax.lax.stop_gradient(error) > 0.5,
            lambda step: 0.5 * step,
            jnp.float32(1.0),
        )
        return step * error

    return trained_plainly("loops_in_loss", loss_fn, params, (X, Y), SGD)


@jax.custom_vjp
def fixed_point(w, x):
    """Solve `z = tanh(w z + x)`; the gradient comes from the implicit function."""

    def advance(state):
        _, z, count = state
        return z, jnp.tanh(w @ z + x), count + 1

    def moving(state):
        old, new, count = state
        return (jnp.max(jnp.abs(new - old)) > 1e-6) & (count < 50)

    return jax.lax.while_loop(moving, advance, (x, jnp.tanh(x), 0))[1]


def _fixed_point_forward(w, x):
    z = fixed_point(w, x)
    return z, (w, x, z)


def _fixed_point_backward(kept, cotangent):
    w, x, z = kept
    _, pull = jax.vjp(lambda w, x, z: jnp.tanh(w @ z + x), w, x, z)
    solved = jax.lax.fori_loop(
        0, 30, lambda _, u: cotangent + pull(u)[2], cotangent, unroll=5
    )
    return pull(solved)[:2]


fixed_point.defvjp(_fixed_point_forward, _fixed_point_backward)


def custom_vjp_rule() -> ZooProgram:
    """A deep equilibrium layer with a correct custom_vjp."""
    params = {"w": 0.1 * jnp.eye(4) + 0.02, "v": jnp.ones(4)}

    def loss_fn(params, batch):
        x, y = batch
        z = jax.vmap(fixed_point, in_axes=(None, 0))(params["w"], x)
        return jnp.mean((z @ params["v"] - y) ** 2)

    return trained_plainly("custom_vjp_rule", loss_fn, params, (X, Y), SGD)


@jax.custom_jvp
def log_cosh(x):
    """Compute log(cosh(x)) without overflow."""
    return jnp.abs(x) + jnp.log1p(jnp.exp(-2 * jnp.abs(x))) - jnp.log(2.0)


@log_cosh.defjvp
def _log_cosh_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return log_cosh(x), jnp.tanh(x) * dx


def custom_jvp_rule() -> ZooProgram:
    """A robust loss with a correct custom_jvp, beside JAX's own relu and softplus."""
    params = {"w": jnp.ones((4, 3)), "v": jnp.ones(3)}

    def loss_fn(params, batch):
        x, y = batch
        hidden = jax.nn.relu(x @ params["w"]) + jax.nn.softplus(x @ params["w"])
        return jnp.mean(log_cosh(hidden @ params["v"] - y))

    return trained_plainly("custom_jvp_rule", loss_fn, params, (X, Y), SGD)


def branches() -> ZooProgram:
    """`lax.cond` on the loss and `lax.switch` on a field of the batch."""
    params = {"w": jnp.ones(4), "b": jnp.zeros(())}
    batch = {"x": X, "y": Y, "task": np.int32(1)}

    def loss_fn(params, batch):
        predicted = batch["x"] @ params["w"] + params["b"]
        activations = (jnp.tanh, jnp.sin, lambda x: x)
        predicted = jax.lax.switch(batch["task"], activations, predicted)
        error = jnp.mean((predicted - batch["y"]) ** 2)
        penalty = jnp.sum(params["w"] ** 2)
        return jax.lax.cond(
            error > 0.1, lambda: error + 0.01 * penalty, lambda: jnp.sqrt(error + 1e-6)
        )

    return trained_plainly("branches", loss_fn, params, batch, SGD)


def checkpointed() -> ZooProgram:
    """`jax.checkpoint` that keeps named values only, around a scan."""
    params = {"w": 0.2 * jnp.ones((3, 4, 4)), "v": jnp.ones(4)}
    policy = jax.checkpoint_policies.save_only_these_names("kept")

    def loss_fn(params, batch):
        @jax.checkpoint
        def layer(x, w):
            return jnp.sin(x @ w), jnp.max(x)

        def network(x, weights):
            x, _ = jax.lax.scan(layer, x, weights)
            return jnp.tanh(checkpoint_name(x, "kept"))

        x, y = batch
        hidden = jax.checkpoint(network, policy=policy)(x, params["w"])
        return jnp.mean((hidden @ params["v"] - y) ** 2)

    return trained_plainly("checkpointed", loss_fn, params, (X, Y), SGD)


def inner_gradient() -> ZooProgram:
    """One step of meta-learning: a gradient step inside the loss."""
    params = {"w": jnp.ones(4), "log_rate": jnp.float32(-2.0)}

    def loss_fn(params, batch):
        x, y = batch

        def task(w):
            return jnp.mean((jnp.tanh(x @ w) - y) ** 2)

        adapted = params["w"] - jnp.exp(params["log_rate"]) * jax.grad(task)(
            params["w"]
        )
        return task(adapted)

    return trained_plainly("inner_gradient", loss_fn, params, (X, Y), SGD)


def watched_by_callback() -> ZooProgram:
    """A pure host function in the loss, and a debug callback that reads it."""
    params = {"w": jnp.ones(4)}

    def bounds(y: np.ndarray) -> np.ndarray:
        return np.array([np.min(y), np.max(y)], np.float32)

    def loss_fn(params, batch):
        x, y = batch
        shape = jax.ShapeDtypeStruct((2,), jnp.float32)
        low, high = jax.pure_callback(bounds, shape, y)
        error = jnp.mean((jnp.tanh(x @ params["w"]) - (y - low) / (high - low)) ** 2)
        jax.debug.callback(lambda error: None, error)
        return error

    return trained_plainly("watched_by_callback", loss_fn, params, (X, Y), SGD)


CONTROL_FLOW = {
    maker.__name__: maker
    for maker in (
        scan_over_time,
        associative_scan,
        loops_in_loss,
        custom_vjp_rule,
        custom_jvp_rule,
        branches,
        checkpointed,
        inner_gradient,
        watched_by_callback,
    )
}
