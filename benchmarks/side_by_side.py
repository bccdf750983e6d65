"""64 learning rates side by side, beside one scan run 64 times, and beside a loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from sklearn.datasets import load_digits

import jaxdebug as jd
from benchmarks.result import Row
from benchmarks.timing import compare
from jaxdebug.tuning.side_by_side import prepare
from jaxdebug.tuning.variants import Variants

RATES, STEPS, BATCHES = np.logspace(-5, -1, 64), 200, 20
SCAN, LOOP = 5.0, 8.0
"""How many times as fast as scans one by one, and as a loop of jitted steps."""

SIZES = ((32, 16), (32, 64), (128, 64), (512, 64))
"""Width of the network and examples in a batch."""

REPETITIONS = 7


class _Network(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(10)(nn.relu(nn.Dense(self.width)(x)))


def _workload(width: int, size: int) -> jd.Workload:
    pixels, digits = load_digits(return_X_y=True)
    x = (pixels[: size * BATCHES] / 16).astype(np.float32).reshape(BATCHES, size, -1)
    y = digits[: size * BATCHES].astype(np.int32).reshape(BATCHES, size)
    network = _Network(width)

    def loss_fn(params: Any, batch: Any) -> Any:
        out: Any = network.apply(params, batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(out, batch[1]).mean()

    return jd.Workload(
        loss_fn=loss_fn,
        params=network.init(jax.random.key(0), x[0]),
        train=[*zip(x, y, strict=True)],
        eval=[(x[0], y[0])],
    )


def _by_hand(workload: jd.Workload) -> dict[str, Callable[[], Any]]:
    """The same trainings as one writes them without a tool, all compiled once."""
    batches: Any = workload.train
    x, y = (jnp.stack(leaves) for leaves in zip(*batches, strict=True))
    start = jax.tree.map(jnp.asarray, workload.params)
    order = jnp.arange(STEPS, dtype=jnp.int32) % BATCHES

    def step(rate: Any, state: Any, index: Any) -> Any:
        params, inner = state
        batch = x[index], y[index]
        loss, gradient = jax.value_and_grad(workload.loss_fn)(params, batch)
        updates, inner = optax.adam(rate).update(gradient, inner, params)
        return (optax.apply_updates(params, updates), inner), loss

    def begin(rate: Any) -> Any:
        return start, optax.adam(rate).init(start)

    @jax.jit
    def scan(rate: Any) -> Any:
        return jax.lax.scan(lambda c, i: step(rate, c, i), begin(rate), order)[1]

    one, rates = jax.jit(step), [*jnp.asarray(RATES)]

    def scans() -> None:
        jax.block_until_ready([scan(rate) for rate in rates])

    def loop() -> None:
        for rate in rates:
            state = begin(rate)
            for index in order:
                state, loss = one(rate, state, index)
            jax.block_until_ready(loss)

    return {"scans": scans, "loop": loop}


def _sampled(call: Callable[[], Any]) -> Callable[[], float]:
    call()

    def sample() -> float:
        begun = time.perf_counter()
        call()
        return time.perf_counter() - begun

    return sample


def measure() -> list[Row]:
    """Return two rows a size; a ratio is how many times as fast side by side is."""
    rows = []
    for width, size in SIZES:
        workload = _workload(width, size)
        asked = Variants(workload, optax.adam).asked(
            {"learning_rate": RATES}, [0], STEPS
        )
        own = prepare(asked)
        calls = {"side by side": own, **_by_hand(workload)}
        samplers = {name: _sampled(call) for name, call in calls.items()}
        found = compare(samplers, REPETITIONS)
        for name, bar in (("scans", SCAN), ("loop", LOOP)):
            other = found[name]
            rows.append(
                Row(
                    what=f"width {width}, batches of {size}: beside the {name}",
                    base_seconds=found["side by side"].seconds,
                    seconds=other.seconds,
                    ratio=other.ratio,
                    quartiles=(other.low, other.high),
                    bar=bar if width == 32 else None,
                    held=other.ratio >= bar if width == 32 else None,
                    note=f"{own.form.count} in a call",
                )
            )
    return rows
