"""A small causal transformer that learns the text of Python's standard library.

Run `python -m examples.char_transformer` to train it and audit it, or audit it alone
with `jaxdebug audit examples/char_transformer.py`.
"""

import argparse
import ast
import csv
import heapq
import inspect
import textwrap
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import jaxdebug as jd

CONTEXT, BATCH_SIZE = 32, 8
TRAIN_BATCHES, EVAL_BATCHES = 300, 20
MODULES = (argparse, ast, csv, heapq, textwrap)
Batch = dict[str, np.ndarray]

TEXT = "\n".join(inspect.getsource(module) for module in MODULES)
VOCABULARY = sorted(set(TEXT))


class Block(nn.Module):
    """Attention, then an MLP, each on a normalised copy of the residual stream."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        width = x.shape[-1]
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=self.heads)(y, mask=mask)
        y = nn.LayerNorm()(x)
        y = nn.gelu(nn.Dense(4 * width)(y))
        return x + nn.Dense(width)(y)


class CharTransformer(nn.Module):
    """Predicts each next character from the characters before it."""

    vocabulary: int
    width: int = 64
    heads: int = 4
    layers: int = 2

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        positions = jnp.arange(tokens.shape[-1])
        x = nn.Embed(self.vocabulary, self.width, name="characters")(tokens)
        x = x + nn.Embed(CONTEXT, self.width, name="positions")(positions)
        mask = nn.make_causal_mask(tokens)
        for _ in range(self.layers):
            x = Block(self.heads)(x, mask)
        return nn.Dense(self.vocabulary, name="logits")(nn.LayerNorm()(x))


model = CharTransformer(len(VOCABULARY))
optimizer = optax.adamw(3e-3)


def predict(params: Any, batch: Batch) -> Any:
    """Return the logits of the next character at every position."""
    return model.apply({"params": params}, batch["inputs"])


def loss_fn(params: Any, batch: Batch) -> jax.Array:
    """Return the mean cross entropy of the next character."""
    return optax.softmax_cross_entropy_with_integer_labels(
        predict(params, batch), batch["targets"]
    ).mean()


def load_splits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first 80 %, the next 10 % and the last 10 % of the text, as codes."""
    code = {character: i for i, character in enumerate(VOCABULARY)}
    tokens = np.array([code[character] for character in TEXT], np.int32)
    train, evaluate, test = np.split(
        tokens, [int(0.8 * len(tokens)), int(0.9 * len(tokens))]
    )
    return train, evaluate, test


def random_windows(tokens: np.ndarray, count: int, seed: int) -> list[Batch]:
    """Draw batches of windows; a target is the character after its input."""
    starts = np.random.default_rng(seed).integers(
        len(tokens) - CONTEXT, size=(count, BATCH_SIZE, 1)
    )
    windows = tokens[starts + np.arange(CONTEXT + 1)]
    return [{"inputs": w[:, :-1], "targets": w[:, 1:]} for w in windows]


def load_batches(seed: int) -> tuple[list[Batch], list[Batch], list[Batch]]:
    """Return windows of the three splits; the seed chooses those of the first."""
    train, evaluate, test = load_splits()
    return (
        random_windows(train, TRAIN_BATCHES, seed),
        random_windows(evaluate, EVAL_BATCHES, seed=1),
        random_windows(test, EVAL_BATCHES, seed=2),
    )


def make_workload(seed: int = 0) -> jd.Workload:
    """Describe the training to jaxdebug.

    Args:
        seed: chooses the initial parameters and the windows trained on.

    Returns:
        The workload, with 300 training batches.
    """
    train, evaluate, test = load_batches(seed)
    params = jax.jit(model.init)(jax.random.key(seed), train[0]["inputs"])["params"]
    return jd.Workload(
        loss_fn=loss_fn,
        params=params,
        train=train,
        eval=evaluate,
        test=test,
        optimizer=optimizer,
        predict_fn=predict,
        inputs="inputs",
        targets="targets",
        declare=("causal",),
        name="char-transformer",
    )


workload = make_workload()


def measure(params: Any, batches: list[Batch]) -> tuple[float, float]:
    """Return the mean loss and the share of characters predicted right."""
    loss, logits = jax.jit(loss_fn), jax.jit(predict)
    losses = [loss(params, batch) for batch in batches]
    hits = [np.argmax(logits(params, b), -1) == b["targets"] for b in batches]
    return float(np.mean(losses)), float(np.mean(hits))


def main(report_every: int = 60) -> None:
    """Train on every batch once, then print the audit at initialisation."""
    train, evaluate, test = load_batches(seed=0)
    params, opt_state = workload.params, optimizer.init(workload.params)

    @jax.jit
    def train_step(params: Any, opt_state: Any, batch: Batch) -> tuple:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for step, batch in enumerate(train, start=1):
        params, opt_state, loss = train_step(params, opt_state, batch)
        if step % report_every == 0:
            print(f"step {step:4d}  loss {loss:.4f}")
    for name, batches in (("eval", evaluate), ("test", test)):
        loss, share = measure(params, batches)
        print(f"{name} loss {loss:.4f}  accuracy {share:.3f}")
    audit = jd.audit(loss_fn, optimizer=optimizer)
    print(audit(workload.params, train[0]))


if __name__ == "__main__":
    main()
