"""The probed train step over the plain one: run time and compile time."""

from typing import Any

import jax

import jaxdebug as jd
from benchmarks.models import MODELS
from benchmarks.result import Row
from benchmarks.timing import compare_compiles, compare_runs, renewed

CORE_BARS = {"mlp": 1.6, "cnn": 1.4, "transformer": 1.25}
FULL_BARS = {"mlp": 2.5, "cnn": 1.7, "transformer": 1.6}
COMPILE_BARS = {"cnn": 3.0, "transformer": 3.0}
HISTOGRAM = ("spread", "updates", "units", "histogram")


def measure() -> list[Row]:
    """Return four rows a model: three sets of statistics, and compiling the core."""
    rows = []
    for name, make in MODELS.items():
        model = make()
        step: Any = model.train_step
        args = (model.state, model.batch)
        runs = compare_runs(
            {
                "plain": jax.jit(step),
                "core": jax.jit(jd.probe(step, statistics=())),
                "full": jax.jit(jd.probe(step)),
                "histogram": jax.jit(jd.probe(step, statistics=HISTOGRAM)),
            },
            args,
        )
        compiles = compare_compiles(
            {
                "plain": lambda step=step: renewed(step),
                "core": lambda step=step: jd.probe(renewed(step), statistics=()),
                "full": lambda step=step: jd.probe(renewed(step)),
            },
            args,
        )
        bars = {"core": CORE_BARS, "full": FULL_BARS, "histogram": {}}
        for kind, bar in bars.items():
            pair = {"plain": runs["plain"], kind: runs[kind]}
            rows.append(Row.from_pair(f"{name} {kind}", pair, bar.get(name)))
        for kind, bar in {"core": COMPILE_BARS, "full": {}}.items():
            pair = {"plain": compiles["plain"], kind: compiles[kind]}
            rows.append(Row.from_pair(f"{name} {kind} compile", pair, bar.get(name)))
    return rows
