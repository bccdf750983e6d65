"""Networks on plain pytrees; `tap(name, x)` stands at each layer's output."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.modules.layer_arrays import Tap, plain

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)


def dense(inputs: int, outputs: int) -> dict[str, np.ndarray]:
    return {"w": normal(inputs, outputs), "b": normal(outputs)}


X = normal(5, 4)
IDS = RNG.integers(0, 11, size=(3, 6))


def mlp(tap: Tap, params: Any, x: Any) -> Any:
    for index, layer in enumerate(params):
        x = jnp.tanh(tap(str(index), x @ layer["w"] + layer["b"]))
    return jnp.mean(x**2)


def deep_linear(tap: Tap, params: Any, x: Any) -> Any:
    for index, layer in enumerate(params):
        x = tap(str(index), x @ layer["w"] + layer["b"])
    return jnp.mean(x**2)


def penalised(tap: Tap, params: Any, x: Any) -> Any:
    return mlp(tap, params, x) + 0.1 * sum(
        jnp.sum(w**2) for w in jax.tree.leaves(params)
    )


def pairs(tap: Tap, params: Any, x: Any) -> Any:
    for index, (w, b) in enumerate(params):
        x = jax.nn.relu(tap(str(index), x @ w + b))
    return jnp.sum(x)


def flat(tap: Tap, params: Any, x: Any) -> Any:
    h = jax.nn.gelu(tap("w1+b1", x @ params["w1"] + params["b1"]))
    return jnp.sum(tap("w2+b2", h @ params["w2"] + params["b2"]) ** 2)


def called_thrice(tap: Tap, params: Any, x: Any) -> Any:
    for _ in range(3):
        x = jnp.tanh(tap("inner", x @ params["inner"]["w"] + params["inner"]["b"]))
    return jnp.sum(tap("out", x @ params["out"]["w"] + params["out"]["b"]) ** 2)


def siamese(tap: Tap, params: Any, x: Any) -> Any:
    inner = params["inner"]
    a = jnp.tanh(tap("inner", x @ inner["w"] + inner["b"]))
    b = jnp.tanh(tap("inner", jnp.sin(x) @ inner["w"] + inner["b"]))
    out = tap("out", a @ params["out"]["w"] + params["out"]["b"])
    return jnp.sum((out - b[:, :2]) ** 2)


def recurrent(tap: Tap, params: Any, x: Any) -> Any:
    cell, h = params["cell"], jnp.zeros((x.shape[0], 4))
    for _ in range(3):
        h = jnp.tanh(tap("cell", x @ cell["w"] + h @ cell["u"] + cell["b"]))
    return jnp.sum(tap("out", h @ params["out"]) ** 2)


def cast(tap: Tap, params: Any, x: Any) -> Any:
    for index, layer in enumerate(params):
        half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), layer)
        x = tap(str(index), x.astype(jnp.bfloat16) @ half["w"] + half["b"])
        x = jnp.tanh(x)
    return jnp.mean(x.astype(jnp.float32) ** 2)


def convolutions(tap: Tap, params: Any, x: Any) -> Any:
    for index, layer in enumerate(params["convs"]):
        x = lax.conv_general_dilated(
            x, layer["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(tap(f"convs/{index}", x + layer["b"]))
    return jnp.sum(tap("out", x.mean((1, 2)) @ params["out"]) ** 2)


def normalised(tap: Tap, name: str, p: Any, x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    scaled = (x - mean) * lax.rsqrt(variance + 1e-5)
    return tap(name, scaled * p["scale"] + p["bias"])


def block(tap: Tap, at: str, p: Any, x: Any) -> Any:
    def heads(z: Any) -> Any:
        return z.reshape(*z.shape[:2], 2, -1)

    h = normalised(tap, at + "ln1", p["ln1"], x)
    q, k, v = (tap(f"{at}attn/{name}", h @ p["attn"][name]) for name in "qkv")
    a = jnp.einsum("bthd,bshd->bhts", heads(q), heads(k)) / 2
    a = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones(a.shape[-2:], bool)), a, -1e9))
    mixed = jnp.einsum("bhts,bshd->bthd", a, heads(v)).reshape(x.shape)
    x = x + tap(at + "attn/o", mixed @ p["attn"]["o"])
    h = normalised(tap, at + "ln2", p["ln2"], x)
    m = p["mlp"]
    h = jax.nn.gelu(tap(at + "mlp/w1+b1", h @ m["w1"] + m["b1"]))
    return x + tap(at + "mlp/w2+b2", h @ m["w2"] + m["b2"])


def transformer(tap: Tap, params: Any, ids: Any, remat: bool = False) -> Any:
    x = tap("embed", params["embed"][ids])
    x = tap("pos", x + params["pos"][: ids.shape[1]])
    for index, p in enumerate(params["blocks"]):

        def apply(p: Any, x: Any, at: str = f"blocks/{index}/") -> Any:
            return block(tap, at, p, x)

        x = (jax.checkpoint(apply) if remat else apply)(p, x)
    x = normalised(tap, "ln", params["ln"], x)
    # Tied: the table of words is used twice.
    logits = tap("embed", x @ params["embed"].T)
    return optax.softmax_cross_entropy_with_integer_labels(logits, ids).mean()


def scanned_transformer(params: Any, ids: Any, remat: bool) -> Any:
    """The same, its blocks stacked and scanned."""

    def apply(x: Any, p: Any) -> Any:
        return block(plain, "", p, x), None

    x = params["embed"][ids] + params["pos"][: ids.shape[1]]
    x, _ = lax.scan(jax.checkpoint(apply) if remat else apply, x, params["blocks"])
    logits = normalised(plain, "", params["ln"], x) @ params["embed"].T
    return optax.softmax_cross_entropy_with_integer_labels(logits, ids).mean()


def _block() -> Any:
    return {
        "ln1": {"scale": 1 + normal(8), "bias": normal(8)},
        "attn": {name: normal(8, 8) for name in "qkvo"},
        "ln2": {"scale": 1 + normal(8), "bias": normal(8)},
        "mlp": {
            "w1": normal(8, 16),
            "b1": normal(16),
            "w2": normal(16, 8),
            "b2": normal(8),
        },
    }


BLOCKS = {
    "embed": normal(11, 8),
    "pos": normal(6, 8),
    "blocks": [_block(), _block()],
    "ln": {"scale": 1 + normal(8), "bias": normal(8)},
}
SQUARE = [dense(4, 4), dense(4, 4), dense(4, 4)]
TWO = {"inner": dense(4, 4), "out": dense(4, 2)}
NETWORKS = {
    "mlp": (mlp, [dense(4, 3), dense(3, 3), dense(3, 2)], X),
    "square": (mlp, SQUARE, normal(4, 4)),
    "deep linear": (deep_linear, SQUARE, normal(4, 4)),
    "penalised": (penalised, SQUARE, X),
    "pairs": (pairs, [(normal(4, 4), normal(4)), (normal(4, 4), normal(4))], X),
    "flat": (
        flat,
        {"w1": normal(4, 3), "b1": normal(3), "w2": normal(3, 2), "b2": normal(2)},
        X,
    ),
    "called thrice": (called_thrice, TWO, X),
    "siamese": (siamese, TWO, X),
    "recurrent": (
        recurrent,
        {"cell": {**dense(4, 4), "u": normal(4, 4)}, "out": normal(4, 2)},
        X,
    ),
    "convolutions": (
        convolutions,
        {
            "convs": [
                {"w": normal(3, 3, 1, 4), "b": normal(4)},
                {"w": normal(3, 3, 4, 4), "b": normal(4)},
            ],
            "out": normal(4, 2),
        },
        normal(2, 6, 6, 1),
    ),
    "transformer": (transformer, BLOCKS, IDS),
}
