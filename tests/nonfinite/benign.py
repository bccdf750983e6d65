"""Programs with NaN or infinities that harm nobody: nothing is to be reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.nonfinite.forward import f32


class Benign(NamedTuple):
    """A function and its arguments."""

    function: Callable[..., Any]
    args: tuple[Any, ...]


BENIGN: dict[str, Benign] = {}
ROWS = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)


def benign(*args: Any) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        assert function.__name__ not in BENIGN
        BENIGN[function.__name__] = Benign(function, args)
        return function

    return register


@benign(ROWS)
def causal_attention(x: Any) -> Any:
    scores = jnp.where(jnp.tril(jnp.ones((4, 4))) > 0, x @ x.T, -jnp.inf)
    return jax.nn.softmax(scores) @ x


@benign(ROWS)
def gradient_of_causal_attention(x: Any) -> Any:
    return jax.grad(lambda x: causal_attention(x).sum())(x)


@benign(ROWS)
def masked_row_selected_away(x: Any) -> Any:
    mask = jnp.tril(jnp.ones((4, 4)), -1) > 0
    weights = jax.nn.softmax(jnp.where(mask, x, -jnp.inf))
    return jnp.where(mask.any(-1, keepdims=True), weights, 0.0) @ x


@benign(ROWS)
def softmax_with_where(x: Any) -> Any:
    mask = jnp.tril(jnp.ones((4, 4))) > 0
    return jax.nn.softmax(x, where=mask).sum()


@benign(f32(1, 2, 3))
def logsumexp_of_a_mask(x: Any) -> Any:
    return jax.nn.logsumexp(jnp.where(x > 1, x, -jnp.inf))


@benign(f32(1, 2, 3))
def logsumexp_of_nothing_selected(x: Any) -> Any:
    total = jax.nn.logsumexp(jnp.where(x > 5, x, -jnp.inf))
    return jnp.where(jnp.isfinite(total), total, 0.0)


@benign(f32(1, 2, 3))
def masked_log_probabilities(x: Any) -> Any:
    return jax.nn.log_softmax(jnp.where(x > 1, x, -jnp.inf))


@benign(f32(1, 2, 3))
def masked_logits(x: Any) -> Any:
    return jnp.where(x > 1, x, -jnp.inf)


@benign(f32(1, 0, -3))
def log_overwritten_where_it_fails(x: Any) -> Any:
    return jnp.where(x > 0, jnp.log(x), 0.0).sum()


@benign(f32(1, 0, -3))
def guarded_twice(x: Any) -> Any:
    def safe(x: Any) -> Any:
        inside = jnp.where(x > 0, x, 1.0)
        return jnp.where(x > 0, jnp.sqrt(inside), 0.0).sum()

    return jax.value_and_grad(safe)(x)


@benign(f32(1, 0, 3))
def nan_replaced(x: Any) -> Any:
    return jnp.nan_to_num(x / x)


@benign(f32(1, np.nan, 3))
def mean_that_skips_nan(x: Any) -> Any:
    return jnp.nanmean(x)


@benign(f32(1, np.nan, 3))
def missing_values_masked(x: Any) -> Any:
    known = ~jnp.isnan(x)
    return jnp.where(known, x, 0.0).sum() / known.sum()


@benign(f32(3, 2, 5))
def running_minimum_from_infinity(x: Any) -> Any:
    def step(best: Any, value: Any) -> Any:
        return jnp.minimum(best, value), best

    best, _ = lax.scan(step, jnp.inf, x)
    return best


@benign({"best": np.float32(np.inf), "w": f32(1, 2)})
def best_loss_so_far(state: Any) -> Any:
    loss = (state["w"] ** 2).sum()
    improved = loss < 0
    best = jnp.where(improved, loss, state["best"])
    return {"best": best, "w": state["w"] * 0.9}, loss


@benign(ROWS)
def online_softmax(x: Any) -> Any:
    def step(state: Any, row: Any) -> Any:
        most, total, out = state
        new = jnp.maximum(most, row.max())
        scale = jnp.exp(most - new)
        weights = jnp.exp(row - new)
        return (new, total * scale + weights.sum(), out * scale + weights), None

    start = (-jnp.inf, 0.0, jnp.zeros(4))
    (_, total, out), _ = lax.scan(step, start, x)
    return out / total


@benign(ROWS, np.int32(2))
def topk_mask(x: Any, k: Any) -> Any:
    best, _ = lax.top_k(x, 2)
    kept = jnp.where(x >= best[:, 1:], x, -jnp.inf)
    return jax.nn.softmax(kept) * k


@benign(f32(1, 2), f32(3, np.inf))
def clipped_to_bounds(x: Any, upper: Any) -> Any:
    return jnp.clip(x, -jnp.inf, upper)


@benign(f32(0, 1))
def entropy_by_xlogy(p: Any) -> Any:
    return -jax.scipy.special.xlogy(p, p).sum()


@benign(f32(1e4, 2))
def loss_scale_lowered(x: Any) -> Any:
    half = (x.astype(jnp.float16) * jnp.float16(1e2)).astype(jnp.float32)
    fine = jnp.isfinite(half).all()
    return jnp.where(fine, half, x), jnp.where(fine, 2.0, 0.5)


@benign(f32(5, 1, 4))
def branch_not_taken(x: Any) -> Any:
    return lax.cond(x[0] > 9, lambda x: jnp.log(-x), lambda x: x, x)


@benign(f32(1, np.inf, 2))
def sorted_with_padding(x: Any) -> Any:
    return jnp.sort(x)[:2]


@benign(f32(100, 3))
def saturated_sigmoid_by_hand(x: Any) -> Any:
    return 1 / (1 + jnp.exp(x))


@benign(f32(3, 4))
def plain_sum(x: Any, _: Any = None) -> Any:
    return x.sum()


@benign(np.arange(4), f32(0.5))
def integers_only(n: Any, x: Any) -> Any:
    return n + 1, jnp.argmax(jnp.log(x - 1))


@benign(ROWS)
def triangle_of_distances(x: Any) -> Any:
    squares = ((x[:, None] - x[None]) ** 2).sum(-1) + jnp.diag(jnp.full(4, jnp.inf))
    return squares.min(-1)


@benign(f32(2, 3))
def infinite_bounds_returned(x: Any) -> Any:
    return {"low": jnp.full(2, -jnp.inf), "high": jnp.full(2, jnp.inf), "x": x}
