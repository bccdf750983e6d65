"""The probed train step over the plain one: run time and compile time."""

from typing import Any

import jax

import jaxdebug as jd
from benchmarks.models import MODELS
from benchmarks.result import Row
from benchmarks.timing import compare_compiles, compare_runs, renewed

RUN_BARS = {"mlp": 1.6, "cnn": 1.4, "transformer": 1.25}
COMPILE_BARS = {"cnn": 3.0, "transformer": 3.0}


def measure() -> list[Row]:
    """Return one row a model for running, one for compiling."""
    rows = []
    for name, make in MODELS.items():
        model = make()
        step: Any = model.train_step
        args = (model.state, model.batch)
        runs = compare_runs(
            {"plain": jax.jit(step), "probed": jax.jit(jd.probe(step))}, args
        )
        compiles = compare_compiles(
            {
                "plain": lambda step=step: renewed(step),
                "probed": lambda step=step: jd.probe(renewed(step)),
            },
            args,
        )
        rows.append(Row.from_pair(f"{name} run", runs, RUN_BARS.get(name)))
        rows.append(Row.from_pair(f"{name} compile", compiles, COMPILE_BARS.get(name)))
    return rows
