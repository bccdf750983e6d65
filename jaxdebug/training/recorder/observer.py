"""Which observation of a step fits: of all, of part of its batch, of its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax

from jaxdebug.checks.untraced import why_untraced
from jaxdebug.frameworks.until_concrete import until_concrete
from jaxdebug.programs._jax import ir
from jaxdebug.programs._jax.arrival import send
from jaxdebug.programs._jax.concrete import MADE_CONCRETE
from jaxdebug.programs._jax.memory import ran_out
from jaxdebug.training.recorder.arguments import Flat
from jaxdebug.training.recorder.observation import Observation, make_observation
from jaxdebug.training.recorder.outside import undone
from jaxdebug.training.recorder.room import free_memory, is_in_host_memory, takes

LEAST = 8
"""Smaller parts of a batch than one in so many are not tried."""

SHARE = 0.9
"""Part of a device's free memory that an observation may take."""


class Watching(NamedTuple):
    """An observation that is on its way to the host."""

    step: int
    packed: jax.Array
    observation: Observation


class Observer:
    """Observes a step, as much of it as fits in memory.

    Args:
        function: the user's step.
        statistics: what to measure beyond the core.
        memory: bytes that an observation may take; None for what is free.
        note: is told of every fall-back.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        statistics: Sequence[Any],
        memory: int | None,
        note: Callable[[str], None],
    ) -> None:
        self.function, self.statistics = function, statistics
        self.traced = function
        """What is traced: the step, or its beginning."""
        self.memory, self.note = memory, note
        self.part = 1
        """One in how many examples is observed; 0 for the arguments alone."""
        self.is_off = False
        self._is_cut = False
        self.needs = 0
        """Bytes that the last observation takes, about as many as the step."""
        self.trained: tuple[int, ...] = ()
        """Which flat arguments every step changes, by the last observation."""
        self._doubt: Exception | None = None
        self._made: dict[Hashable, Observation] = {}

    def observe(
        self, step: int, flat: Flat, given: Sequence[int] | None
    ) -> Watching | None:
        """Begin to observe a step, before it runs; None if that cannot be done now.

        Args:
            step: its number.
            flat: its arguments.
            given: which of them the step before did not leave, if that is known.
        """
        self._doubt = None
        while not self.is_off:
            cut = _part_of(flat, given or (), self.part) if self.part > 1 else flat
            try:
                observation = self._at(cut)
            except Exception as error:  # whatever the user's Python raises in a trace
                self._doubt = error
                if self.part == 1:
                    return None
                self._give_up(error)
                continue
            self.needs, self.trained = observation.memory, observation.trained
            needed = observation.memory + takes(cut.leaves)
            if needed <= self._free(cut.leaves):
                try:
                    packed = observation.run(cut.leaves)
                    if _may_block(cut.leaves):
                        packed.block_until_ready()
                    send([packed])
                    return Watching(step, packed, observation)
                except jax.errors.JaxRuntimeError as error:
                    if not ran_out(error):
                        raise
            if given is None:
                return None  # At the next step it is known what a batch is.
            part = 2 * self.part
            smaller = 0 < part <= LEAST and _part_of(flat, given, part) is not flat
            why = f"what it takes, {needed} bytes, does not fit in memory"
            self._fall_back(why, part if smaller else 0)
        return None

    def ran(self) -> None:
        """That the step itself ran: what raised in its trace was no mistake of it."""
        if self._doubt is not None:
            self._give_up(self._doubt)

    def arguments_alone(self, why: str) -> None:
        """Trace the step no more."""
        if self.part:
            self._fall_back(why, 0)

    def _give_up(self, error: Exception) -> None:
        """Trace only the beginning of the step, if it has one, or nothing of it."""
        self._doubt = None
        if isinstance(error, MADE_CONCRETE) and not self._is_cut:
            self._is_cut, self.traced = True, until_concrete(self.function)
            self.note(f"not all of the step is observed: {why_untraced(error)}")
        else:
            self._fall_back(why_untraced(error), 0)

    def _fall_back(self, why: str, part: int) -> None:
        """Observe less from now on."""
        self._doubt = None
        if part == self.part:
            self.is_off = True
            self.note(f"nothing is observed any more: {why}")
            return
        self.part = part
        what = f"one in {part} examples" if part else "arguments and scalars alone"
        self.note(f"{what} observed from now on: {why}")

    def _at(self, flat: Flat) -> Observation:
        shardings = tuple(getattr(leaf, "sharding", None) for leaf in flat.leaves)
        avals = tuple(map(jax.typeof, flat.leaves))
        key = self.part, flat.tree, avals, shardings, ir.trace_key()
        if key not in self._made:
            function = self.traced if self.part else _nothing
            args, kwargs = flat.apart(flat.leaves)
            with undone(self.function):  # the user calls it too
                made = make_observation(function, args, kwargs, self.statistics)
            self._made[key] = made
        return self._made[key]

    def _free(self, leaves: Sequence[Any]) -> float:
        if self.memory is not None:
            return self.memory
        return SHARE * free_memory(leaves)


def _may_block(leaves: Sequence[Any]) -> bool:
    """Whether two programs at once may wait for each other for ever.

    Several devices of the CPU share threads: a collective operation of one program may
    hold those that one of another program waits for, and XLA then ends the process.
    """
    arrays = (leaf for leaf in leaves if isinstance(leaf, jax.Array))
    shared = (one for one in arrays if len(one.sharding.device_set) > 1)
    return any(is_in_host_memory(one.sharding) for one in shared)


def _nothing(*_: Any, **__: Any) -> tuple[()]:
    return ()


def _part_of(flat: Flat, given: Sequence[int], part: int) -> Flat:
    """The arguments with one in so many examples; the same if there are no examples.

    What has the length that most new arguments have in common is taken for a batch.
    """
    lengths = Counter(
        flat.leaves[i].shape[0] for i in given if getattr(flat.leaves[i], "shape", ())
    )
    if not lengths or lengths.most_common(1)[0][0] < part:
        return flat
    ((length, _),) = lengths.most_common(1)
    leaves = list(flat.leaves)
    for i in given:
        if getattr(leaves[i], "shape", ())[:1] == (length,):
            leaves[i] = leaves[i][: length // part]
    return flat._replace(leaves=leaves)
