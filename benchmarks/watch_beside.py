"""What watching costs beside other ways to notice that a training goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax.experimental import checkify

import jaxdebug as jd
from benchmarks.models import MODELS, BenchModel
from benchmarks.result import ROOT, Row, machine
from benchmarks.timing import Paired, compare, renewed

PAGE = ROOT / "docs" / "watch-beside.md"
EVERY, SOME = 50, 5
"""Steps of one sample: of which one is observed, or that are all alike."""

RUNS, COMPILES = 5, 2

Loop = Callable[[int], None]
"""Trains on for a number of steps, and waits for the last."""


def measure() -> list[Row]:
    """Return two rows a model and tool, and write the page of the docs."""
    rows, lines = [], []
    for make in MODELS.values():
        model = make()
        runs, compiles = _runs(model), _compiles(model)
        plain = runs["plain"].seconds, compiles["plain"].seconds
        for name, run in runs.items():
            first = compiles[name]
            rows += [
                _row(f"{model.name}: {name}: a step", plain[0], run),
                _row(f"{model.name}: {name}: first steps", plain[1], first),
            ]
            step, begin = f"{run.seconds * 1e3:.2f}", f"{first.seconds:.2f}"
            ratio = f"{run.ratio:.2f} ({run.low:.2f} to {run.high:.2f})"
            cells = (model.name, name, step, ratio, begin, f"{first.ratio:.2f}")
            lines.append("| " + " | ".join(cells) + " |")
    PAGE.write_text(HEAD + "\n".join(lines) + "\n" + _measured(), "utf-8")
    return rows


def _row(what: str, base: float, pair: Paired) -> Row:
    quartiles = pair.low, pair.high
    return Row(what, base, pair.seconds, pair.ratio, quartiles)


def _runs(model: BenchModel) -> dict[str, Paired]:
    loops = {name: make(model) for name, make in TOOLS.items()}
    # One sample of what is watched holds one sampled step.
    counts = {name: EVERY if name in (PLAIN, WATCH) else SOME for name in loops}

    def sampler(name: str) -> Callable[[], float]:
        loop, count = loops[name], counts[name]
        loop(2)
        return lambda: _seconds(lambda: loop(count)) / count

    return compare({name: sampler(name) for name in loops}, RUNS)


def _compiles(model: BenchModel) -> dict[str, Paired]:
    # After the runs: what JAX keeps of inner functions is as warm for each.
    def sampler(make: Callable[[BenchModel], Loop]) -> Callable[[], float]:
        def begin() -> float:
            fresh = model._replace(
                train_step=renewed(model.train_step), loss_fn=renewed(model.loss_fn)
            )
            return _seconds(lambda: make(fresh)(2))

        return begin

    return compare({name: sampler(make) for name, make in TOOLS.items()}, COMPILES)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _loop(step: Callable[..., Any], model: BenchModel) -> Loop:
    held = [model.state]

    def loop(count: int) -> None:
        for _ in range(count):
            held[0], _ = step(held[0], model.batch)
        jax.block_until_ready(held[0])

    return loop


def _plain(model: BenchModel) -> Loop:
    return _loop(jax.jit(model.train_step), model)


def _watched(model: BenchModel) -> Loop:
    return _loop(jd.watch(jax.jit(model.train_step), every=EVERY), model)


def _read(model: BenchModel) -> Loop:
    compiled = jax.jit(model.train_step)

    def step(state: Any, batch: Any) -> Any:
        state, metrics = compiled(state, batch)
        assert np.isfinite(float(metrics["loss"]))
        return state, metrics

    return _loop(step, model)


def _callback(model: BenchModel) -> Loop:
    """The norm of each gradient, sent to the host by a callback."""
    optimizer = optax.adam(1e-3)
    norms: list[Any] = []

    @jax.jit
    def step(state: Any, batch: Any) -> Any:
        params, own = state
        loss, grads = jax.value_and_grad(model.loss_fn)(params, batch)
        jax.debug.callback(norms.append, jax.tree.map(optax.tree.norm, grads))
        updates, own = optimizer.update(grads, own, params)
        return (optax.apply_updates(params, updates), own), {"loss": loss}

    return _loop(step, model)


def _checkified(model: BenchModel) -> Loop:
    checked = jax.jit(checkify.checkify(model.train_step, errors=checkify.float_checks))

    def step(state: Any, batch: Any) -> Any:
        error, out = checked(state, batch)
        error.throw()
        return out

    return _loop(step, model)


def _debug_nans(model: BenchModel) -> Loop:
    inner = _plain(model)

    def loop(count: int) -> None:
        with jax.debug_nans(True):
            inner(count)

    return loop


PLAIN, WATCH = "plain", f"jd.watch, every={EVERY}"
TOOLS: dict[str, Callable[[BenchModel], Loop]] = {
    PLAIN: _plain,
    WATCH: _watched,
    "float(loss)": _read,
    "jax.debug.callback": _callback,
    "checkify": _checkified,
    "jax_debug_nans": _debug_nans,
}


def _measured() -> str:
    about = machine()
    versions = f"Python {about['python']}, JAX {about['jax']}"
    processor = f"{about['cpu_count']} x {about['cpu_model'] or about['device']}"
    commit = (about["git_commit"] or "unknown")[:12]
    day = about["date"][:10]
    return f"\nMeasured {day} at commit {commit}: {versions}, {processor}.\n"


HEAD = f"""\
# Watching beside other ways to notice that a training goes wrong

`python -m benchmarks watch_beside` writes this page. One train step of each benchmark
model, with Adam and without donation, in a loop that keeps the state:

- plain: the step alone, {EVERY} times, and a wait for the last;
- {WATCH}: one of these {EVERY} is sampled;
- float(loss): the loss is read at every step;
- jax.debug.callback: the norm of each gradient is sent to the host at every step;
- checkify: `checkify.float_checks` of the step, and `error.throw()` after each;
- jax_debug_nans: the plain step under the flag.

Milliseconds are those of a step, the median of {RUNS} runs; seconds those of a new
step's first two calls, with its compilation, the median of {COMPILES}. The ratio is the
median of the ratios to the plain step that was run beside it, with their quartiles:
wide ones say that the machine had other work. What each names is in
[nonfinite.md](nonfinite.md): reading a loss says at which step, a callback which
gradient, the flag and checkify a line.

| model | tool | ms a step | ratio | s to begin | ratio |
| --- | --- | --- | --- | --- | --- |
"""
