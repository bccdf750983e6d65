"""Gradient checks over 256 digits at once, against a loop of single ones."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

import jaxdebug as jd
from benchmarks.result import Row
from examples import digits_cnn

EXAMPLES, ROUNDS = 256, 3
SHARE = 4
"""One in so many is checked alone: each takes as long as the other."""


def measure() -> list[Row]:
    """Return the times, compilation apart, and whether the verdicts are the same."""
    workload = digits_cnn.make_workload()
    loss, params = workload.loss_fn, workload.params
    images, _, _ = digits_cnn.load_splits()
    batch = {name: array[:EXAMPLES] for name, array in images.items()}
    alone = jd.check_gradients(loss)
    over = jd.check_gradients(loss, over="examples")

    def single(index: int) -> jd.GradientReport:
        return alone(params, jax.tree.map(lambda leaf: leaf[index : index + 1], batch))

    single(0)
    chosen = range(0, EXAMPLES, SHARE)
    loops, manies = [], []
    reports, found = [], over(params, batch)
    for _ in range(ROUNDS):  # in turn, so that both meet the same drift
        seconds, reports = _timed(lambda: [single(index) for index in chosen])
        loops.append(seconds * EXAMPLES / len(chosen))
        seconds, found = _timed(lambda: over(params, batch))
        manies.append(seconds)
    loop, many = statistics.median(loops), statistics.median(manies)
    pairs = zip(reports, (found.reports[index] for index in chosen), strict=True)
    same = all(_verdicts(one) == _verdicts(other) for one, other in pairs)
    return [
        Row(
            f"{EXAMPLES} examples",
            loop,
            many,
            many / loop,
            bar=0.25,
            held=4 * many <= loop,
        ),
        Row("same verdicts", held=same, note=f"of {len(chosen)} compared"),
    ]


def _verdicts(report: jd.GradientReport) -> list[str]:
    return [report.verdict, *(leaf.verdict for leaf in report.leaves)]


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result
