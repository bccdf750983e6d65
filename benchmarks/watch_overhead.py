"""What watching a training costs, and that it changes no bit of it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxdebug as jd
from benchmarks.models import MODELS, BenchModel
from benchmarks.result import Row
from benchmarks.timing import compare_runs
from jaxdebug.statistics.histogram import THINNED
from jaxdebug.training.recorder.observation import make_observation
from jaxdebug.training.recorder.snapshots import copied
from jaxdebug.training.watch import RECORDED
from tests.training.recorder.steps import DEVICES, STEPS
from tests.training.recorder.trained import same_bits

EVERY, TRAINED, LEAVES = 50, 500, 300
SAMPLED_BARS = {"mlp": 1.07, "cnn": 1.04, "transformer": 1.04}
MEMORY_BAR = 1.4
CALL_BAR = 30e-6
STATISTICS = (*RECORDED, THINNED)
"""What a run on the disk is made of; histograms are written at every fifth sample."""


def measure() -> list[Row]:
    """Return three rows a model, one a make of step, and one of a step of nothing.

    A step that is split over devices wants eight of them, as
    `--xla_force_host_platform_device_count=8` in `XLA_FLAGS` makes them.
    """
    rows = []
    for name, make in MODELS.items():
        model = make()
        rows += [_amortised(name, model), _memory(name, model), _same(name, model)]
    return [*rows, *map(_same_of, STEPS), _call()]


def _amortised(name: str, model: BenchModel) -> Row:
    """A sampled step in 50, over the step alone."""
    args = (model.state, model.batch)
    observation = make_observation(model.train_step, args, {}, STATISTICS)

    def sampled(*args: Any) -> Any:
        leaves = jax.tree.leaves((args, {}))
        return observation.run(leaves), copied(leaves)

    step = jax.jit(model.train_step)
    timed = compare_runs({"plain": step, "sampled": sampled}, args, repetitions=31)
    ratio, bar = 1 + timed["sampled"].ratio / EVERY, SAMPLED_BARS[name]
    return Row(
        f"{name}: watched, one in {EVERY}",
        timed["plain"].seconds,
        timed["sampled"].seconds,
        ratio,
        bar=bar,
        held=ratio <= bar,
        note=f"observation and snapshot {timed['sampled'].ratio:.2f} of a step",
    )


def _memory(name: str, model: BenchModel) -> Row:
    """Peak memory of the observation over that of the step; arguments in both."""
    args = (model.state, model.batch)
    leaves = jax.tree.leaves((args, {}))
    step = jax.jit(model.train_step).lower(*args).compile().memory_analysis()
    observation = make_observation(model.train_step, args, {}, STATISTICS)
    given = sum(leaf.nbytes for leaf in leaves)
    own = step.temp_size_in_bytes + step.output_size_in_bytes + given
    ratio = (observation.memory + given) / own
    # One copy of the state is a snapshot's.
    bar = MEMORY_BAR if name != "mlp" else 1 + given / own
    note = f"{(observation.memory + given) / 2**20:.1f} of {own / 2**20:.1f} MiB"
    held = ratio <= bar
    return Row(f"{name}: memory", ratio=ratio, bar=bar, held=held, note=note)


def _same(name: str, model: BenchModel) -> Row:
    """Whether 500 steps leave the same bits."""
    step = jax.jit(model.train_step, donate_argnums=0)

    def trained(step: Any) -> Any:
        state = jax.tree.map(jnp.copy, model.state)
        for _ in range(TRAINED):
            state, _ = step(state, model.batch)
        return jax.tree.leaves(jax.device_get(state))

    with jd.watch(step, every=EVERY) as watched:
        pairs = zip(trained(step), trained(watched), strict=True)
        same = all(np.array_equal(a, b) for a, b in pairs)
    return Row(f"{name}: {TRAINED} steps, same bits", held=same)


def _same_of(name: str) -> Row:
    """The same of a tiny step of one make."""
    what = f"{name}: {TRAINED} steps, same bits"
    if jax.device_count() < DEVICES.get(name, 1):
        return Row(what, note=f"not run: wants {DEVICES[name]} devices")
    _, same = same_bits(STEPS[name], partial(jd.watch, every=EVERY), TRAINED)
    return Row(what, held=same)


def _call() -> Row:
    """What an unsampled call costs beside a step that does nothing."""
    state = {f"leaf_{i}": jnp.zeros(3) for i in range(LEAVES)}
    loss = jnp.zeros(())

    def nothing(state: Any) -> Any:
        return state, loss

    watched = jd.watch(nothing, every=10**9)
    for _ in range(10):
        watched(state)

    def seconds(step: Any, count: int = 200) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step(state)
        return (time.perf_counter() - start) / count

    found = sorted(seconds(watched) - seconds(nothing) for _ in range(31))
    middle = found[len(found) // 2]
    note = f"{middle * 1e6:.1f} µs, bar {CALL_BAR * 1e6:.0f} µs"
    return Row("an unsampled call", seconds=middle, held=middle <= CALL_BAR, note=note)
