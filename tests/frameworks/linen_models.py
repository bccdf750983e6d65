"""Linen models for the tests of marks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(4, 8)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 5, 5, 1)).astype(np.float32)
SEQUENCES = RNG.normal(size=(2, 3, 4)).astype(np.float32)
WORDS = np.array([[1, 5, 0], [3, 0, 2]], np.int32)
AXES: Any = {"params": 0, "intermediates": 0, "perturbations": 0}
APART = {"params": True, "dropout": True}


class Block(nn.Module):
    width: int = 4
    drop: bool = True

    @nn.compact
    def __call__(self, x):
        h = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=2)(h)
        h = nn.gelu(nn.Dense(2 * self.width)(nn.LayerNorm()(x)))
        h = nn.Dropout(0.3, deterministic=not self.drop)(h)
        return x + nn.Dense(self.width, name="out")(h)


class Nested(nn.Module):
    @nn.compact
    def __call__(self, x):
        for index in range(2):
            x = Block(name=f"block_{index}")(x)
        return nn.Dense(2)(x)


class Step(nn.Module):
    remat: Any = None

    @nn.compact
    def __call__(self, x, _):
        block = Block if self.remat is None else nn.remat(Block, policy=self.remat)
        return block(name="block")(x), None


class Scanned(nn.Module):
    remat: Any = None

    @nn.compact
    def __call__(self, x):
        layers = nn.scan(Step, variable_axes=AXES, split_rngs=APART, length=3)
        x, _ = layers(remat=self.remat, name="layers")(x, None)
        return nn.Dense(2)(x)


class RematScan(nn.Module):
    @nn.compact
    def __call__(self, x):
        layers = nn.scan(
            nn.remat(Step, prevent_cse=False),
            variable_axes=AXES,
            split_rngs=APART,
            length=2,
        )
        return nn.remat(nn.Dense)(2, name="head")(layers(name="layers")(x, None)[0])


class Mapped(nn.Module):
    @nn.compact
    def __call__(self, x):
        dense = nn.vmap(nn.Dense, variable_axes=AXES, split_rngs={"params": True})
        return jnp.tanh(dense(3, name="heads")(x))


class Shared(nn.Module):
    @nn.compact
    def __call__(self, x):
        dense = nn.Dense(8, name="shared")
        return jnp.sin(dense(jnp.tanh(dense(x))))


class SetUp(nn.Module):
    def setup(self):
        self.stem = nn.Dense(6)
        self.layers = [nn.Dense(6) for _ in range(2)]
        self.heads = {"mean": nn.Dense(3), "scale": nn.Dense(2)}
        self.body = nn.Sequential([nn.Dense(6), jnp.tanh])

    def encode(self, x):
        return jnp.tanh(self.body(self.stem(x)))

    def __call__(self, x):
        x = self.encode(x)
        for layer in self.layers:
            x = x + jnp.tanh(layer(x))
        return {key: head(x) for key, head in self.heads.items()}


class Parent(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(8)(jnp.tanh(nn.Dense(8)(x)))


class Child(Parent):
    """Inherits its call."""


class Grandchild(Parent):
    @nn.compact
    def __call__(self, x):
        return jnp.cos(super().__call__(x))


class Family(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Grandchild(name="grandchild")(Child(name="child")(x))


class Tied(nn.Module):
    @nn.compact
    def __call__(self, words):
        embed = nn.Embed(7, 4)
        return embed.attend(jnp.tanh(embed(words)))


class ConvNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(3, (3, 3))(x)
        x = nn.relu(nn.BatchNorm(use_running_average=False)(x))
        x = nn.Dropout(0.5, deterministic=True)(x)
        return nn.Dense(3)(x.reshape(x.shape[0], -1))


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x):
        axes: Any = {name: 0 for name in ("intermediates", "perturbations")}
        cell = nn.LSTMCell(4, name="cell")
        hidden: Any = nn.RNN(cell, variable_axes=axes, name="rnn")(x)
        return nn.Dense(1)(hidden[:, -1])


class Inline(nn.Module):
    """Modules in a list and a dictionary of its call's own."""

    @nn.compact
    def __call__(self, x):
        for layer in [nn.Dense(8), nn.Dense(8, name="named"), jnp.tanh]:
            x = layer(x)
        body = nn.Sequential([nn.Dense(4), jnp.tanh, nn.Dense(2)])
        return {key: head(x) for key, head in {"a": nn.Dense(3), "b": body}.items()}


class Unwrapped(nn.Module):
    """A method that Flax does not see is part of the one that calls it."""

    def setup(self):
        self.dense = nn.Dense(8)

    @nn.nowrap
    def twice(self, x):
        return jnp.tanh(self.dense(jnp.tanh(self.dense(x))))

    def __call__(self, x):
        return self.twice(x)


class Coder(nn.Module):
    def setup(self):
        self.down = nn.Dense(8)
        self.up = nn.Dense(8)

    def encode(self, x):
        return jnp.tanh(self.down(x))

    def decode(self, x):
        return self.up(x)

    def __call__(self, x):
        return self.decode(self.encode(x))


class Methods(nn.Module):
    @nn.compact
    def __call__(self, x):
        coder = Coder()
        remat = nn.remat(Coder, methods=["encode"])(name="remat")
        return coder(coder.decode(remat.encode(coder.encode(x))))


class Deep(nn.Module):
    @nn.compact
    def __call__(self, x):
        deep = nn.remat_scan(Dense, lengths=(2, 2), variable_axes=AXES)
        return nn.Dense(2)(deep(name="deep")(x))


class Dense(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jnp.tanh(nn.Dense(8)(x))


class Lifted(nn.Module):
    """Functions lifted with a module, and modules lifted by jit and vmap."""

    @nn.compact
    def __call__(self, x):
        def body(module: Any, x: Any, _: Any) -> Any:
            return jnp.tanh(module(x)), None

        scan: Any = nn.scan(body, variable_axes=AXES, split_rngs=APART, length=3)
        x, _ = scan(nn.Dense(8, name="dense"), x, None)
        x = nn.jit(Dense)(name="jitted")(x)
        shared: Any = {**AXES, "params": None}
        mapped = nn.vmap(Dense, variable_axes=shared, split_rngs={"params": False})
        return mapped(name="mapped")(x)


POLICIES = jax.checkpoint_policies
MODELS: dict[str, tuple[nn.Module, np.ndarray]] = {
    "nested": (Nested(), SEQUENCES),
    "scan": (Scanned(), SEQUENCES),
    "scan_of_remat": (Scanned(remat=POLICIES.nothing_saveable), SEQUENCES),
    "scan_of_dots": (Scanned(remat=POLICIES.dots_saveable), SEQUENCES),
    "remat_scan": (RematScan(), SEQUENCES),
    "vmap": (Mapped(), ROWS),
    "shared": (Shared(), ROWS),
    "setup": (SetUp(), ROWS),
    "inherited": (Family(), ROWS),
    "tied": (Tied(), WORDS),
    "conv": (ConvNet(), IMAGES),
    "lstm": (Recurrent(), SEQUENCES),
    "inline": (Inline(), ROWS),
    "unwrapped": (Unwrapped(), ROWS),
    "methods": (Methods(), ROWS),
    "deep": (Deep(), ROWS),
    "lifted": (Lifted(), ROWS),
}
