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
SCANS, LOOP = "scans, each read", "loop of jitted steps"
AT_ONCE = "scans, all dispatched before one is read"
"""On a CPU these run on all processors, as the trainings side by side do."""

BARS = {SCANS: 5.0, LOOP: 8.0}
"""How many times as fast side by side must be, at a width of 32."""

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
        for rate in rates:
            np.asarray(scan(rate))

    def at_once() -> None:
        jax.block_until_ready([scan(rate) for rate in rates])

    def loop() -> None:
        for rate in rates:
            state = begin(rate)
            for index in order:
                state, loss = one(rate, state, index)
            jax.block_until_ready(loss)

    return {SCANS: scans, AT_ONCE: at_once, LOOP: loop}


def _sampled(call: Callable[[], Any]) -> Callable[[], float]:
    call()

    def sample() -> float:
        begun = time.perf_counter()
        call()
        return time.perf_counter() - begun

    return sample


def measure() -> list[Row]:
    """Return three rows a size; a ratio is how many times as fast side by side is."""
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
        for name in (SCANS, AT_ONCE, LOOP):
            other, bar = found[name], BARS.get(name) if width == 32 else None
            rows.append(
                Row(
                    what=f"width {width}, batches of {size}: beside the {name}",
                    base_seconds=found["side by side"].seconds,
                    seconds=other.seconds,
                    ratio=other.ratio,
                    quartiles=(other.low, other.high),
                    bar=bar,
                    held=None if bar is None else other.ratio >= bar,
                    note=f"{own.form.count} in a call",
                )
            )
    return rows
