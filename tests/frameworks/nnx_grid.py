"""NNX models for the tests of marks, and what Flax itself says of their layers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(4, 8)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 5, 5, 1)).astype(np.float32)
SEQUENCES = RNG.normal(size=(2, 3, 4)).astype(np.float32)
WORDS = np.array([[1, 5, 0], [3, 0, 2]], np.int32)


class Block(nnx.Module):
    def __init__(self, width: int, rngs: nnx.Rngs, rate: float = 0.0):
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, width, rngs=rngs, decode=False)
        self.wide = nnx.Linear(width, 2 * width, rngs=rngs)
        self.out = nnx.Linear(2 * width, width, rngs=rngs)
        self.dropout = nnx.Dropout(rate, deterministic=rate == 0, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norm(x))
        return x + self.dropout(self.out(nnx.gelu(self.wide(x))))


class Stack(nnx.Module):
    """Subclasses inherit its call."""

    blocks: Any
    head: Any

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Nested(Stack):
    def __init__(self, rngs: nnx.Rngs):
        self.blocks = nnx.List([Block(4, rngs, rate=0.3) for _ in range(2)])
        self.head = nnx.Linear(4, 2, rngs=rngs)


class Rematted(Nested):
    def __call__(self, x):
        for block in self.blocks:
            x = nnx.remat(lambda block, x: block(x))(block, x)
        return self.head(x)


class Scanned(nnx.Module):
    remat = False

    def __init__(self, rngs: nnx.Rngs):
        self.blocks = nnx.vmap(lambda rngs: Block(4, rngs))(rngs.split(3))
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        def step(x, block):
            return nnx.remat(lambda b, x: b(x))(block, x) if self.remat else block(x)

        axes: Any = {"in_axes": (nnx.Carry, 0), "out_axes": nnx.Carry}
        return self.head(nnx.scan(step, **axes)(x, self.blocks))


class RematScan(Scanned):
    remat = True


class Mapped(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.heads = nnx.vmap(lambda rngs: nnx.Linear(8, 3, rngs=rngs))(rngs.split(2))

    def __call__(self, x):
        return jnp.tanh(nnx.vmap(lambda h, x: h(x), in_axes=(0, None))(self.heads, x))


class Shared(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Linear(8, 8, rngs=rngs)

    def __call__(self, x):
        return jnp.sin(self.first(jnp.tanh(self.first(x))))


class Heads(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.trunk = nnx.Sequential(nnx.Linear(8, 6, rngs=rngs), jnp.tanh)
        self.heads = nnx.Dict(
            mean=nnx.Linear(6, 3, rngs=rngs), scale=nnx.Linear(6, 2, rngs=rngs)
        )

    def __call__(self, x):
        x = self.trunk(x)
        return {name: self.heads[name](x) for name in ("mean", "scale")}


class Jitted(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.one = nnx.Linear(8, 8, rngs=rngs)
        self.two = nnx.Linear(8, 8, rngs=rngs)

    @nnx.jit
    def __call__(self, x):
        return self.two(jnp.tanh(self.one(x)))


class ConvNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(1, 3, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.out = nnx.Linear(75, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        return self.out(x.reshape(x.shape[0], -1))


class Words(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.embed = nnx.Embed(7, 4, rngs=rngs)

    def __call__(self, words):
        return self.embed.attend(jnp.tanh(self.embed(words)))


MODELS: dict[str, tuple[Any, np.ndarray]] = {
    "nested": (Nested, SEQUENCES),
    "remat": (Rematted, SEQUENCES),
    "scan": (Scanned, SEQUENCES),
    "remat_scan": (RematScan, SEQUENCES),
    "vmap": (Mapped, ROWS),
    "shared": (Shared, ROWS),
    "heads": (Heads, ROWS),
    "jitted": (Jitted, ROWS),
    "conv": (ConvNet, IMAGES),
    "tied": (Words, WORDS),
}


def contract(out: Any) -> jax.Array:
    """A scalar that depends on every output in its own way."""
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(out)])
    return jnp.sum(jnp.sin(flat) * jnp.cos(jnp.arange(flat.size, dtype=flat.dtype)))


def loss(model: Any, x: Any) -> jax.Array:
    """A scalar loss of the model."""
    return contract(model(x))


@contextmanager
def _after_each_call(model: Any, after: Any) -> Iterator[None]:
    """Let Flax's own classes and ours hand every call's output to `after`."""
    classes = {type(m) for _, m in nnx.iter_graph(model) if isinstance(m, nnx.Module)}
    own = {cls: vars(cls).get("__call__") for cls in classes}
    try:
        for cls in classes:
            inherited = next(
                (vars(b)["__call__"] for b in cls.__mro__ if "__call__" in vars(b)),
                None,
            )
            if inherited is not None:
                _replace(cls, inherited, after)
        yield
    finally:
        for cls, method in own.items():
            if method is not None:
                cls.__call__ = method
            elif "__call__" in vars(cls):
                del cls.__call__


def _replace(cls: Any, method: Any, after: Any) -> None:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        return after(self, method.__get__(self, cls)(*args, **kwargs))

    cls.__call__ = __call__


def said_by_flax(make: Any, state: Any, x: Any) -> dict[tuple[str, str], list[Any]]:
    """Outputs by `sow` and `capture`, cotangents by `perturb`.

    Args:
        make: returns the model that a state belongs to.
        state: of the model.
        x: its input.
    """
    calls: Counter[Any] = Counter()
    kept: list[Any] = []  # so that no two have one id

    def after(module: Any, out: Any) -> Any:
        leaves, tree = jax.tree.flatten(out)
        call = calls[id(module)]
        calls[id(module)] += 1
        kept.append(module)
        for index, leaf in enumerate(leaves):
            name = f"call {call:03} {index:03}"
            module.sow(nnx.Intermediate, f"sown {name}", leaf)
            leaves[index] = module.perturb(f"added {name}", leaf)
        return jax.tree.unflatten(tree, leaves)

    def scalar(zeros: Any) -> Any:
        return nnx.capture(loss, nnx.Intermediate, init=zeros)(make(state), x)

    with _after_each_call(make(state), after):
        of_zeros = nnx.capture(loss, nnx.Perturbation)
        _, shapes = jax.eval_shape(lambda: of_zeros(make(state), x))
        calls.clear()
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        added, sown = jax.grad(scalar, has_aux=True)(zeros)
    root = type(make(state)).__name__
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for kind, stored in (("output", sown), ("cotangent", added)):
        for path, leaf in jax.tree_util.tree_flatten_with_path(stored)[0]:
            names = jax.tree_util.keystr(path, simple=True, separator="/")
            module = re.split(r"/?(sown|added) call", names)[0]
            found[f"{root}/{module}".rstrip("/"), kind].append(leaf)
    return dict(found)
