"""One audit of each example, compilation included, over one plain gradient."""

import time
from collections.abc import Callable
from typing import Any

import jax

import jaxdebug as jd
from benchmarks.result import Row
from benchmarks.timing import renewed
from examples import char_transformer, digits_cnn


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def measure() -> list[Row]:
    """Return one row an example; each function is compiled for the first time."""
    rows = []
    for example in (digits_cnn, char_transformer):
        workload = example.make_workload()
        args = (workload.params, next(iter(workload.train)))
        plain = jax.jit(jax.value_and_grad(renewed(workload.loss_fn)))
        audit = jd.audit(renewed(workload.loss_fn))
        base = _seconds(lambda plain=plain, args=args: plain(*args))
        cost = _seconds(lambda audit=audit, args=args: audit(*args))
        rows.append(Row(workload.name, base, cost, cost / base))
    return rows
