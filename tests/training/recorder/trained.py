"""What train steps of every make are tried with: batches, a loss, and what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(8, 4)).astype(np.float32)
Y = RANDOM.integers(0, 3, 8)
W = RANDOM.normal(size=(4, 3)).astype(np.float32)


class Trained(NamedTuple):
    """What a training left: the step as it was wrapped, and all arrays of the state."""

    step: Any
    state: Any


Train = Callable[[Wrap, Sequence[Any]], Trained]


def batches(count: int, bad: int | None = None) -> list[Any]:
    """Batches of host arrays; in a bad one a square overflows."""
    found = [X * (1 + 0.01 * i) for i in range(count)]
    if bad is not None:
        found[bad] = found[bad].copy()
        found[bad][0] = 3e30
    return found


def same_bits(train: Train, wrap: Wrap, count: int) -> tuple[Trained, bool]:
    """A training that is watched, and whether it leaves what it leaves alone."""
    watched = train(wrap, batches(count))
    alone = train(lambda step: step, batches(count))
    pairs = zip(*map(jax.tree.leaves, (watched.state, alone.state)), strict=True)
    return watched, all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs
    )


def objective(logits: Any, x: Any, y: Any = Y) -> Any:
    """Cross entropy, and an energy of the inputs that weighs nothing."""
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
    return entropy + 0.0 * jnp.sum(jnp.square(x))
