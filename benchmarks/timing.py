"""Paired timing: every candidate is measured in turn, so that drift hits all alike."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax

MIN_SAMPLE_SECONDS = 0.03


class Paired(NamedTuple):
    """The times of one candidate beside those of the base.

    `ratio` is the median of the ratios within each repetition; `low` and `high` are
    their quartiles.
    """

    seconds: float
    ratio: float
    low: float
    high: float


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _calls_per_sample(call: Callable[[], Any]) -> int:
    """Return how many calls make a sample long against the clock's own jitter."""
    once = min(_seconds(call) for _ in range(3))
    return max(1, round(MIN_SAMPLE_SECONDS / once))


def _interleaved(
    samplers: Mapping[str, Callable[[], float]], repetitions: int
) -> dict[str, list[float]]:
    """Sample every candidate once a repetition, in an order that rotates."""
    names = list(samplers)
    samples: dict[str, list[float]] = {name: [] for name in names}
    with _without_garbage_collection():
        for repetition in range(repetitions):
            shift = repetition % len(names)
            for name in names[shift:] + names[:shift]:
                samples[name].append(samplers[name]())
    return samples


def _paired(samples: dict[str, list[float]]) -> dict[str, Paired]:
    """Compare every candidate with the first."""
    base = next(iter(samples.values()))
    result = {}
    for name, times in samples.items():
        ratios = [t / b for t, b in zip(times, base, strict=True)]
        low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
        result[name] = Paired(statistics.median(times), ratio, low, high)
    return result


def compare(
    samplers: Mapping[str, Callable[[], float]], repetitions: int
) -> dict[str, Paired]:
    """Compare what takes and returns seconds; the first one is the base."""
    return _paired(_interleaved(samplers, repetitions))


def compare_runs(
    candidates: Mapping[str, Callable[..., Any]],
    args: Sequence[Any],
    repetitions: int = 25,
) -> dict[str, Paired]:
    """Time compiled functions of the same arguments; the first one is the base.

    Args:
        candidates: compiled functions by name. None of them may donate its arguments.
        args: the arguments of every call.
        repetitions: how often each candidate is sampled.

    Returns:
        The seconds of one call and the ratio to the base, by name.
    """

    def sampler(fn: Callable[..., Any]) -> Callable[[], float]:
        def call() -> None:
            jax.block_until_ready(fn(*args))

        call()
        count = _calls_per_sample(call)

        def sample() -> float:
            return sum(_seconds(call) for _ in range(count)) / count

        return sample

    samplers = {name: sampler(fn) for name, fn in candidates.items()}
    return compare(samplers, repetitions)


def compare_compiles(
    makers: Mapping[str, Callable[[], Callable[..., Any]]],
    args: Sequence[Any],
    repetitions: int = 3,
) -> dict[str, Paired]:
    """Time tracing, lowering and compiling; the first candidate is the base.

    One untimed compilation of each comes first, so that caches of inner functions are
    as warm for the first candidate as for the last.

    Args:
        makers: by name, what makes a new function at each call. A function seen before
            would be found in JAX's caches.
        args: the arguments to compile for.
        repetitions: how often each candidate is compiled and timed.

    Returns:
        The seconds of one compilation and the ratio to the base, by name.
    """

    def sampler(make: Callable[[], Callable[..., Any]]) -> Callable[[], float]:
        def compile_once() -> float:
            fn = make()
            return _seconds(lambda: jax.jit(fn).lower(*args).compile())

        compile_once()
        return compile_once

    samplers = {name: sampler(make) for name, make in makers.items()}
    return compare(samplers, repetitions)


def renewed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function equal to `fn` that JAX's caches have not seen."""
    return lambda *args: fn(*args)
