"""Linen models for the tests of sites, and what Flax itself says of their layers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(4, 8)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 5, 5, 1)).astype(np.float32)
SEQUENCES = RNG.normal(size=(2, 3, 4)).astype(np.float32)


class DenseStack(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (8, 8, 6):
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(3)(x)


class ConvNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(3, (3, 3))(x)
        x = nn.relu(nn.BatchNorm(use_running_average=False)(x))
        x = nn.max_pool(x, (2, 2))
        return nn.Dense(3)(x.reshape(x.shape[0], -1))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        h = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=2)(h)
        h = nn.gelu(nn.Dense(8)(nn.LayerNorm()(x)))
        return x + nn.Dense(4, name="out")(h)


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(Block(name="block")(x))


class Residual(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        h = self.perturb("of_Dense_0", nn.Dense(8)(x))
        return self.perturb("of_itself", x + nn.tanh(h)), None


class Scanned(nn.Module):
    remat: bool = False

    @nn.compact
    def __call__(self, x):
        layer = nn.scan(
            nn.remat(Residual, prevent_cse=False) if self.remat else Residual,
            variable_axes={"params": 0, "intermediates": 0, "perturbations": 0},
            split_rngs={"params": True},
            length=3,
        )
        x, _ = layer(name="layers")(x, None)
        return nn.Dense(3)(x)


class Rematted(nn.Module):
    @nn.compact
    def __call__(self, x):
        for index in range(2):
            x, _ = nn.remat(Residual)(name=f"b{index}")(x)
        return nn.Dense(3)(x)


class Twice(nn.Module):
    @nn.compact
    def __call__(self, x):
        dense = nn.Dense(8, name="shared")
        return jnp.sin(dense(jnp.tanh(dense(x))))


class Heads(nn.Module):
    @nn.compact
    def __call__(self, x):
        h = nn.Dense(6, name="trunk")(x)
        return nn.Dense(3, name="mean")(h), nn.Dense(2, name="scale")(jnp.tanh(h))


class TwoOutputs(nn.Module):
    @nn.compact
    def __call__(self, x):
        a, b = Heads(name="heads")(x)
        return jnp.sin(a).sum(-1) * jnp.cos(b).sum(-1)


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x):
        hidden = nn.RNN(nn.GRUCell(4, name="cell"), name="rnn")(x)
        return nn.Dense(1)(hidden[:, -1])


MODELS: dict[str, tuple[Any, np.ndarray]] = {
    "dense": (DenseStack(), ROWS),
    "conv": (ConvNet(), IMAGES),
    "transformer": (Transformer(), SEQUENCES),
    "scan": (Scanned(), ROWS),
    "scan_remat": (Scanned(remat=True), ROWS),
    "remat": (Rematted(), ROWS),
    "twice": (Twice(), ROWS),
    "two_outputs": (TwoOutputs(), ROWS),
    "gru": (Recurrent(), SEQUENCES),
}


LOOPED = ("Scanned/layers", "Recurrent/rnn/", "Recurrent/cell")
"""Below these a call happens once for each iteration of a loop."""


def variables(name: str) -> Any:
    """Variables of the model, drawn by NumPy: no initialiser is compiled."""
    model, x = MODELS[name]
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    drawn = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32) * 0.5 + 0.1, shapes
    )
    added = drawn.pop("perturbations", {})
    return {**drawn, "perturbations": jax.tree.map(np.zeros_like, added)}


def loss(name: str) -> Any:
    """`loss(params, x, added)` of the model; `added` is Flax's perturbations."""
    model, _ = MODELS[name]
    fixed = {k: v for k, v in variables(name).items() if k == "batch_stats"}

    def scalar(params: Any, x: jax.Array, added: Any = None) -> jax.Array:
        values = {"params": params, **fixed}
        if added is not None:
            values["perturbations"] = added
        mutable = ["batch_stats"] if fixed else False
        out: Any = model.apply(values, x, mutable=mutable)
        out = out[0] if fixed else out
        weights = jnp.cos(jnp.arange(out.size, dtype=jnp.float32))
        return jnp.sum(jnp.sin(out) * weights.reshape(out.shape))

    return scalar


def capture(name: str, params: Any) -> Any:
    """Every layer's outputs as `capture_intermediates` stores them."""
    model, x = MODELS[name]
    return model.apply(
        {**variables(name), "params": params},
        x,
        capture_intermediates=True,
        mutable=["intermediates", "batch_stats"],
    )[1]["intermediates"]


def outputs_by_path(name: str, stored: Any) -> dict[str, list[np.ndarray]]:
    """What `capture` returned, by the path as jaxdebug writes it."""
    found: dict[str, list[np.ndarray]] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(stored)[0]:
        keys = [key.key for key in path if isinstance(key, jax.tree_util.DictKey)]
        path_name = "/".join([type(MODELS[name][0]).__name__, *keys[:-1]])
        found.setdefault(path_name, []).append(np.asarray(leaf))
    return found


def cotangents(name: str, params: Any) -> dict[str, Any]:
    """Derivatives by zeros added to every call's output, in the order of calls."""
    model, x = MODELS[name]
    scalar = loss(name)
    root = type(model).__name__
    shapes: dict[tuple[str, int], Any] = {}

    def perturbed(zeros: Any, added: Any) -> jax.Array:
        calls: Counter[str] = Counter()

        def intercept(next_fun: Any, args: Any, kwargs: Any, context: Any) -> Any:
            out = next_fun(*args, **kwargs)
            path = "/".join([root, *context.module.path])
            if context.method_name != "__call__" or path.startswith(LOOPED):
                return out
            key = (path, calls[path])
            calls[path] += 1
            leaves, tree = jax.tree.flatten(out)
            shapes.setdefault(key, [jax.typeof(leaf) for leaf in leaves])
            if key in zeros:
                leaves = [a + z for a, z in zip(leaves, zeros[key], strict=True)]
            return jax.tree.unflatten(tree, leaves)

        with nn.intercept_methods(intercept):
            return scalar(params, x, added)

    added = variables(name)["perturbations"]
    jax.eval_shape(perturbed, {}, added)
    zeros = {k: [jnp.zeros(a.shape, a.dtype) for a in v] for k, v in shapes.items()}
    by_call, by_layer = jax.grad(perturbed, argnums=(0, 1))(zeros, added)
    found: dict[str, Any] = {}
    for (path, _), leaves in sorted(by_call.items()):
        found.setdefault(path, []).extend(leaves)
    for path, leaf in jax.tree_util.tree_flatten_with_path(by_layer)[0]:
        *module, name_of = (key.key for key in path)
        if name_of != "of_itself":
            module.append(name_of.removeprefix("of_"))
        found.setdefault("/".join([root, *module]), [leaf])
    return found
