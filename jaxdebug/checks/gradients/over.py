"""The same check at many examples or batches, as many at once as memory allows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
from rich.console import Console
from rich.progress import Progress

from jaxdebug.checks.gradients.answers import Budget, looked_at
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.chunk import Chunk, Chunked
from jaxdebug.checks.gradients.examples import Arguments, Examples
from jaxdebug.checks.gradients.judged import Shown
from jaxdebug.checks.gradients.known import known_of
from jaxdebug.checks.gradients.plan import GradientPlan
from jaxdebug.checks.gradients.report import GradientReport
from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.memory import ran_out

MOST = 256
"""Examples at once: more are no faster."""

SHARE = 0.25
"""Part of the free memory that is taken where the user says nothing."""

Reported = tuple[int, GradientReport]


class Checks(NamedTuple):
    """How gradients are judged."""

    alone: Callable[[Arguments], GradientReport]
    """At one example."""
    judged: Callable[[Asked, Arguments, float, Shown], GradientReport]
    """From what was asked there, the arguments, when it began, and what was shown."""
    expected: Sequence[str]
    budget: Budget
    seed: int


def in_turn(
    chunked: Chunked,
    examples: Examples,
    todo: Sequence[int],
    checks: Checks,
    memory: int | None,
) -> Iterator[list[Reported]]:
    """Reports of examples, chunk by chunk, with a progress bar on a terminal.

    Args:
        chunked: the programs of many examples.
        examples: all of them.
        todo: which of them.
        checks: how each is judged.
        memory: bytes that may be used; None for a part of what is free.
    """
    size = min(len(todo), MOST, max(1, _memory(memory) // _bytes_of(chunked.plan)))
    left = list(todo)
    with _progress(len(left)) as advance:
        while left:
            part = left[:size]
            found = None
            if size > 1:
                # One program for all: in the last chunk some are asked twice.
                full = [*part, *[part[-1]] * (size - len(part))]
                try:
                    rows, first = examples.rows(full), checks.budget.points
                    chunk = chunked.at(rows, len(part), checks.seed, first)
                    found = [*_at_once(chunk, examples, part, checks)]
                except (NotImplementedError, TypeError, ValueError):
                    # No rule for many at once; what is wrong in itself is so alone.
                    size = 1
                except jax.errors.JaxRuntimeError as error:
                    if not ran_out(error):
                        raise
                    size //= 2
            else:
                found = [(index, checks.alone(examples.one(index))) for index in part]
            if found is not None:
                left = left[len(part) :]
                advance(len(part))
                yield found


def _at_once(
    chunk: Chunk, examples: Examples, part: Sequence[int], checks: Checks
) -> Iterator[Reported]:
    asked = map(chunk.asked, range(len(part)))
    known = [known_of(each, checks.expected) for each in asked]
    chunk, seen = looked_at(chunk, [each.leaves for each in known], checks.budget)
    for row, index in enumerate(part):
        begun = time.perf_counter()
        shown = known[row], *seen[row]
        own = examples.one(index)
        yield index, checks.judged(chunk.asked(row), own, begun, shown)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """How far it is, on a terminal."""
    console = Console(stderr=True)
    off = not console.is_terminal
    with Progress(console=console, transient=True, disable=off) as bar:
        task = bar.add_task("gradients", total=total)
        yield lambda done: bar.advance(task, done)


def _memory(asked: int | None) -> int:
    """Bytes that may be used."""
    if asked is not None:
        return asked
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    return int(SHARE * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _bytes_of(plan: GradientPlan) -> int:
    """Bytes of everything that one example's gradient computes, in float64.

    More than is alive at once, and so on the safe side.
    """
    return max(1, _numbers(plan.gradient.program.jaxpr) * 8)


def _numbers(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.jaxpr.eqns:
        total += sum(getattr(var.aval, "size", 0) for var in equation.outvars)
        total += sum(map(_numbers, ir.nested_jaxprs(equation)))
    return total
