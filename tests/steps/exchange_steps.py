"""Layers that one line reads in a loop, and the bug that exchanges two gradients.

Call chains cannot tell the layers of a loop: only the values that each gradient is
made with can. Every healthy step has a twin that moves two layers by each other's
gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import nnx
from jax import lax

from tests.steps.train_step import TrainStep, X, Y

OTHERS = "no gradient of its shape leads to its new value, only that of"
_Predict = Callable[[Any, Any], Any]


def _layer(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["w"] + p["b"])


def written_out(layers: Any, x: Any) -> Any:
    for p in layers:
        x = jnp.tanh(x @ p["w"] + p["b"])
    return x


def called(layers: Any, x: Any, layer: _Predict = _layer) -> Any:
    for p in layers:
        x = layer(p, x)
    return x


def dictionary(layers: Any, x: Any) -> Any:
    for name in ("a", "b", "c"):
        x = jax.nn.gelu(jnp.einsum("bi,oi->bo", x, layers[name]["w"]))
    return x


def linear_in_remat(layers: Any, x: Any) -> Any:
    """The last products are not computed again: nothing reads them."""
    layer = jax.checkpoint(lambda p, x: jnp.tanh(x) @ p["w"] + p["b"])
    return called(layers, x, layer)


def residual(layers: Any, x: Any) -> Any:
    for p in layers:
        x = x + x @ p["w"] + p["b"]
    return x


def half_precision(layers: Any, x: Any) -> Any:
    x = x.astype(jnp.bfloat16)
    for p in layers:
        w, b = p["w"].astype(jnp.bfloat16), p["b"].astype(jnp.bfloat16)
        x = jax.nn.relu(x @ w + b)
    return x.astype(jnp.float32)


def normalised(layers: Any, x: Any) -> Any:
    for p in layers:
        x = jnp.tanh(jax.nn.standardize(x) * p["s"] + p["b"])
    return x


def gains(layers: Any, x: Any) -> Any:
    for p in layers:
        x = jnp.sin(x * p["s"])
    return x


def shifts(layers: Any, x: Any) -> Any:
    for p in layers:
        x = jnp.sin(x + p["b"])
    return x


def heads(layers: Any, x: Any) -> Any:
    """All three read one input: what reads them tells them apart."""
    q, k, v = (x @ p["w"] + p["b"] for p in layers)
    return jax.nn.softmax(q @ k.T) @ v


def recurrent(layers: Any, x: Any) -> Any:
    def cell(states: Any, x: Any) -> Any:
        new = []
        for p, h in zip(layers, states, strict=True):
            x = jnp.tanh(x @ p["w"] + h @ p["u"] + p["b"])
            new.append(x)
        return new, x

    return lax.scan(cell, [jnp.zeros(3) for _ in layers], x)[1]


def one_example(layers: Any, x: Any) -> Any:
    return jax.vmap(lambda x: called(layers, x, lambda p, x: jnp.tanh(p["w"] @ x)))(x)


def tables(layers: Any, x: Any) -> Any:
    rows = [jnp.array(i) for i in ((0, 1, 2, 1), (2, 2, 0, 1), (1, 0, 0, 0))]
    looked_up = [p["w"][i] for p, i in zip(layers, rows, strict=True)]
    return x * jnp.tanh(looked_up[0] + 2 * looked_up[1] * looked_up[2])


def convolutions(layers: Any, x: Any) -> Any:
    x = jnp.repeat(x[:, :, None], 3, -1)
    layout = ("NHC", "HIO", "NHC")
    for p in layers:
        x = lax.conv_general_dilated(x, p["k"], (1,), "SAME", dimension_numbers=layout)
        x = jax.nn.relu(x + p["b"])
    return x.sum(-1)


def linen(layers: Any, x: Any) -> Any:
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for _ in range(3):
                x = nn.tanh(nn.Dense(3)(x))
            return x

    params = {f"Dense_{i}": p for i, p in enumerate(layers)}
    return Network().apply({"params": params}, x)


def nnx_list(layers: Any, x: Any) -> Any:
    class Network(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.layers = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(3)])

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = nnx.relu(layer(x))
            return x

    graphdef, state = nnx.split(nnx.eval_shape(lambda: Network(nnx.Rngs(0))))
    nnx.replace_by_pure_dict(state, {"layers": dict(enumerate(layers))})
    return nnx.merge(graphdef, state)(x)


def by_sgd(loss: Any, fault: Any) -> tuple[Any, Any]:
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        grads = fault(jax.grad(loss)(params, x, y))
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), state

    return step, lambda params: ()


def by_clipped_adam(loss: Any, fault: Any) -> tuple[Any, Any]:
    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2))

    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        grads = fault(jax.grad(loss)(params, x, y))
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return step, optimizer.init


def in_a_scan(loss: Any, fault: Any) -> tuple[Any, Any]:
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        def micro_step(total: Any, batch: Any) -> Any:
            return jax.tree.map(jnp.add, total, jax.grad(loss)(params, *batch)), None

        zeros = jax.tree.map(jnp.zeros_like, params)
        total, _ = lax.scan(micro_step, zeros, (x[None], y[None]))
        grads = fault(total)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), state

    return step, lambda params: ()


class Case(NamedTuple):
    """A network, the shapes of one layer, and how it is trained."""

    predict: _Predict
    shapes: dict[str, tuple[int, ...]]
    train: Callable[[Any, Any], tuple[Any, Any]]
    keys: tuple[Any, ...] = (0, 1, 2)


_W, _B, _S = {"w": (3, 3)}, {"b": (3,)}, {"s": (3,)}
_DENSE = {"kernel": (3, 3), "bias": (3,)}
CASES = {
    "written_out": Case(written_out, _W | _B, by_clipped_adam),
    "called": Case(called, _W | _B, in_a_scan),
    "jitted": Case(partial(called, layer=jax.jit(_layer)), _W | _B, by_clipped_adam),
    "dictionary": Case(dictionary, _W, by_sgd, ("a", "b", "c")),
    "remat": Case(partial(called, layer=jax.checkpoint(_layer)), _W | _B, by_sgd),
    "remat_of_all": Case(jax.checkpoint(written_out), _W | _B, in_a_scan),
    "linear_in_remat": Case(linear_in_remat, _W | _B, by_clipped_adam),
    "residual": Case(residual, _W | _B, by_sgd),
    "half_precision": Case(half_precision, _W | _B, by_clipped_adam),
    "normalised": Case(normalised, _S | _B, in_a_scan),
    "gains": Case(gains, _S, by_clipped_adam),
    "shifts": Case(shifts, _B, by_sgd),
    "heads": Case(heads, _W | _B, by_clipped_adam),
    "recurrent": Case(recurrent, _W | _B | {"u": (3, 3)}, by_clipped_adam),
    "one_example": Case(one_example, _W, by_sgd),
    "tables": Case(tables, _W, by_clipped_adam),
    "convolutions": Case(convolutions, {"k": (3, 3, 3)} | _B, by_sgd),
    "single_numbers": Case(gains, {"s": ()}, by_clipped_adam),
    "linen": Case(linen, _DENSE, by_clipped_adam),
    "nnx_list": Case(nnx_list, _DENSE, in_a_scan),
}


def _exchange(keys: tuple[Any, ...], grads: Any) -> Any:
    one, other = keys[:2]
    new = dict(grads) if isinstance(grads, dict) else [*grads]
    new[one], new[other] = grads[other], grads[one]
    return new


def _step(case: Case, exchanged: bool) -> TrainStep:
    def loss(params: Any, x: Any, y: Any) -> Any:
        return jnp.mean((case.predict(params, x) - y) ** 2)

    rng = np.random.default_rng(0)
    layers = {
        key: {
            name: rng.normal(size=shape).astype(np.float32)
            for name, shape in case.shapes.items()
        }
        for key in case.keys
    }
    params: Any = layers if isinstance(case.keys[0], str) else [*layers.values()]
    fault = partial(_exchange, case.keys) if exchanged else lambda grads: grads
    step, init = case.train(loss, fault)
    return TrainStep(
        step,
        (params, init(params), X, Y),
        lambda params, state, x, y: jax.grad(loss)(params, x, y),
        unidentified={f"0/{key}/": OTHERS for key in case.keys[:2] if exchanged},
        tolerance=2e-2 if case.predict is half_precision else 2e-4,
    )


LAYERS_IN_A_LOOP = {
    name: partial(_step, case, exchanged=False) for name, case in CASES.items()
}
EXCHANGED_IN_A_LOOP = {
    f"{name}_exchanged": partial(_step, case, exchanged=True)
    for name, case in CASES.items()
}
