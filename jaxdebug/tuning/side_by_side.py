"""Trainings side by side: mapped in blocks that fit, one compiled program for all.

On a CPU many blocks of few trainings, in as many threads as there are processors, keep
their arrays in the caches: one block of all was slower than the trainings one by one.
A convolution is not mapped there, nor put into a loop: XLA's are slower by far so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxdebug.checks.settings import undisturbed
from jaxdebug.programs._jax.memory import ran_out
from jaxdebug.tuning.course import Course, Result, scanned
from jaxdebug.tuning.settings import Values

AT_ONCE_ON_CPU = 16
"""Trainings of a block on a CPU: of a small network 8 to 32 are as quick."""

AT_ONCE = 1024
"""On an accelerator, if they fit."""

SHARE = 4
"""One part in so many of the memory of a machine may be used."""


class Trained(NamedTuple):
    """What trainings side by side gave, on the host."""

    losses: Float[np.ndarray, "settings seeds steps"]
    """Before each step."""
    before: Float[np.ndarray, "settings seeds"]
    """Mean evaluation loss at the start."""
    after: Float[np.ndarray, "settings seeds"]
    """At the end."""
    at_once: int
    """Trainings that one call of the program took."""


class Block(NamedTuple):
    """Which trainings one call takes; the last ones stand in for what is lacking."""

    settings: np.ndarray
    seeds: np.ndarray


class Asked(NamedTuple):
    """Trainings with every setting from every seed."""

    course: Course
    """Of one of them."""
    data: Any
    """That all share, on the device."""
    settings: Values
    """A value for each training."""
    starts: Any
    """The arrays of each seed, stacked."""
    steps: tuple[np.ndarray, ...]
    """What belongs to each step: rows for the seeds."""
    has_convolution: bool
    """Whether the loss has one."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many settings, seeds and steps there are."""
        return len(next(iter(self.settings.values()))), *self.steps[0].shape

    def rows(self, every: Iterable[Block]) -> Iterator[tuple[Any, ...]]:
        """Settings, starts and steps of each block."""
        both = self.starts, self.steps
        for seeds, together in groupby(every, lambda block: [*block.seeds]):
            # Starts may be large: blocks of the same seeds share them.
            own = jax.tree.map(itemgetter(np.array(seeds)), both)
            for block in together:
                # jnp: float64 only where the user's settings have it.
                chosen = {
                    name: jnp.asarray(column[block.settings])
                    for name, column in self.settings.items()
                }
                yield chosen, *own


class Form(NamedTuple):
    """How many settings and seeds a block is of."""

    settings: int
    seeds: int

    @property
    def count(self) -> int:
        """Of trainings."""
        return self.settings * self.seeds


Run = Callable[[Any, Any, Any], Result]
"""Of settings, starts and steps of a block: its results, seeds first."""


@dataclass(frozen=True, eq=False)
class Trainings:
    """Trainings that are compiled, with every setting from every seed.

    Attributes:
        form: of a block, which fits.
        run: a block.
        blocks: which trainings they are of.
        arguments: of each block.
        shape: how many settings, seeds and steps there are.
    """

    form: Form
    run: Run
    blocks: Sequence[Block]
    arguments: Sequence[tuple[Any, ...]]
    shape: tuple[int, int, int]

    def __call__(self) -> Trained:
        """Train."""

        def one(arguments: Sequence[Any]) -> Result:
            return Result(*map(np.asarray, self.run(*arguments)))

        own = self.shape[:2]
        whole = Result(np.zeros(self.shape), np.zeros(own), np.zeros(own))
        with ThreadPoolExecutor(_threads()) as pool:
            found = pool.map(one, self.arguments)
            for block, part in zip(self.blocks, found, strict=True):
                place = block.settings[None, :], block.seeds[:, None]
                for array, its in zip(whole, part, strict=True):
                    array[place] = its
        return Trained(*whole, self.form.count)


def train_side_by_side(asked: Asked, memory: int | None = None) -> Trained:
    """Train with every setting from every seed.

    Args:
        asked: which trainings.
        memory: bytes that they may take besides the data.

    Raises:
        MemoryError: if not even one training fits.
    """
    most = AT_ONCE
    while True:
        trainings = prepare(asked, memory, most)
        try:
            with undisturbed(asked.data):
                return trainings()
        except jax.errors.JaxRuntimeError as error:
            if not ran_out(error) or trainings.form.count == 1:
                raise
            most = trainings.form.count // 2


def prepare(asked: Asked, memory: int | None = None, most: int = AT_ONCE) -> Trainings:
    """Compile what `train_side_by_side` trains, `most` in a block if they fit.

    Raises:
        MemoryError: if not even one training fits.
    """
    on_cpu, threads = _on_cpu(), _threads()
    room = (memory or free_memory()) // threads
    many, seeds, _ = asked.shape
    if on_cpu:
        most = min(most, 1 if asked.has_convolution else AT_ONCE_ON_CPU)
    most = min(most, -(-many * seeds // threads))
    while True:
        form = form_of(many, seeds, most)
        every = [*blocks(many, seeds, form)]
        first = next(asked.rows(every))
        make = _stepped if on_cpu and asked.has_convolution else _whole
        with undisturbed(asked.data):
            run, need = make(asked.course, asked.data, first)
        if need <= room:
            break
        if form.count == 1:
            raise MemoryError(
                f"expected a training to take at most {room:,} bytes; found "
                f"{need:,}. Give smaller batches, or more memory=."
            )
        most = max(1, min(form.count - 1, form.count * room // need))
    return Trainings(form, run, every, [*asked.rows(every)], asked.shape)


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _threads() -> int:
    return (os.cpu_count() or 1) if _on_cpu() else 1


def form_of(settings: int, seeds: int, most: int) -> Form:
    """A block of at most so many trainings, of as few different seeds as can be."""
    calls = -(-settings // min(settings, most))
    own = -(-settings // calls)
    return Form(own, max(1, min(seeds, most // own)))


def blocks(settings: int, seeds: int, form: Form) -> Iterator[Block]:
    """Blocks of one form that hold all trainings between them."""
    for first_seed in range(0, seeds, form.seeds):
        rows = np.arange(first_seed, first_seed + form.seeds)
        for first in range(0, settings, form.settings):
            columns = np.arange(first, first + form.settings)
            yield Block(np.minimum(columns, settings - 1), np.minimum(rows, seeds - 1))


def free_memory() -> int:
    """Bytes that trainings may take on the default device."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        free = statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
        return int(free * (SHARE - 1) // SHARE)
    # Memory of the host holds everybody else's too.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // SHARE


def _mapped(function: Callable[..., Any], axes: str) -> Callable[..., Any]:
    """Mapped over seeds and, within, over settings.

    Args:
        function: of one training.
        axes: a letter for each argument: what of a block it has: nothing, settings,
            seeds or both (`n`, `s`, `d`, `b`).
    """
    inner = tuple(0 if one in "sb" else None for one in axes)
    outer = tuple(0 if one in "db" else None for one in axes)
    return jax.vmap(jax.vmap(function, inner), outer)


def _whole(course: Course, data: Any, one: tuple[Any, ...]) -> tuple[Run, int]:
    mapped = jax.jit(_mapped(scanned(course), "nsdd"))
    compiled = mapped.lower(data, *one).compile()
    return lambda *block: compiled(data, *block), _bytes(compiled)


def _stepped(course: Course, data: Any, one: tuple[Any, ...]) -> tuple[Run, int]:
    settings, starts, steps = one
    begin = jax.jit(_mapped(course.begin, "sd")).lower(settings, starts).compile()
    standing = begin(settings, starts)

    def at(steps: Any, index: int) -> Any:
        return tuple(row[:, index] for row in steps)

    def take(data: Any, settings: Any, training: Any, at: Any) -> Any:
        return course.step(data, settings, training, *at)

    arguments = data, settings, standing
    step = jax.jit(_mapped(take, "nsbd")).lower(*arguments, at(steps, 0)).compile()
    one_batch = jax.jit(_mapped(course.evaluate, "nsbn"))
    evaluate = one_batch.lower(*arguments, np.int32(0)).compile()

    def evaluated(settings: Any, training: Any) -> Any:
        indices = map(np.int32, range(course.evaluations))
        found = [evaluate(data, settings, training, index) for index in indices]
        return np.mean(found, 0) if found else np.nan

    def run(settings: Any, starts: Any, steps: Any) -> Result:
        first = training = begin(settings, starts)
        losses = []
        for index in range(steps[0].shape[1]):
            training, loss = step(data, settings, training, at(steps, index))
            losses.append(loss)
        before, after = (evaluated(settings, one) for one in (first, training))
        return Result(np.stack(losses, -1), before, after)

    return run, max(map(_bytes, (step, evaluate)))


def _bytes(compiled: Any) -> int:
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    return int(analysis.temp_size_in_bytes + 2 * analysis.output_size_in_bytes)
