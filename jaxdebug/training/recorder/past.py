"""What of the last steps is kept, so that they can be run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax

from jaxdebug.programs._jax.memory import ran_out
from jaxdebug.training.recorder.arguments import Call, Flat, Flattening, Links
from jaxdebug.training.recorder.kept import Keeping
from jaxdebug.training.recorder.room import free_memory, takes, takes_of_host
from jaxdebug.training.recorder.snapshots import Snapshot, finite, take

DROPPED = "batches took more than was allowed to be kept"
NO_SNAPSHOT = "there is no snapshot from before"


class Past:
    """Snapshots, what later steps were given, and the scalars of all of them.

    Args:
        flattening: of the step's arguments.
        most: bytes of host memory that all of it may take.
        note: is told once that there is no room for snapshots.

    Attributes:
        why: what made that something is not kept; empty if nothing did.
    """

    def __init__(
        self, flattening: Flattening, most: int, note: Callable[[str], None]
    ) -> None:
        self.keeping = Keeping(flattening)
        self.snapshots: list[Snapshot] = []
        self.recorded: dict[int, Mapping[str, float]] = {}
        self.most, self.note, self.why = most, note, ""
        self._is_full = False

    def snapshot(self, step: int, flat: Flat, reserve: int) -> None:
        """Copy the arguments of a step, before it runs, if there is room.

        Args:
            step: its number.
            flat: its arguments.
            reserve: bytes that are to be left on the device.
        """
        if self._is_full or len(self.snapshots) > 1:
            return  # Of two the older is needed until the newer is known to be good.
        lacks = self._lacks(flat, reserve)
        if not lacks:
            try:
                self.snapshots.append(take(step, flat))
            except jax.errors.JaxRuntimeError as error:
                if not ran_out(error):
                    raise
                lacks = "a copy of the arguments does not fit in memory"
        if lacks:
            self.give_up(lacks)
        self._fit()

    def give_up(self, why: str) -> None:
        """Let all snapshots go, and take none from now on."""
        self.close(why)
        self.note(f"no step can be run again: {why}")

    def close(self, why: str) -> None:
        """The same, said only where something was to be run again."""
        self.clear()
        self._is_full, self.why = True, why

    def _lacks(self, flat: Flat, reserve: int) -> str:
        """Why there is no room for two snapshots; empty if there is."""
        host = takes_of_host(flat.leaves)
        if 2 * host > self.most:
            return (
                f"two copies of the arguments take {2 * host} bytes, more than was "
                f"allowed to be kept (keep={self.most})"
            )
        copies = max(1, 2 - len(self.snapshots))
        needed = copies * (takes(flat.leaves) - host)
        free = free_memory(flat.leaves)
        if needed + reserve > free:
            return (
                f"copies of the arguments take {needed} bytes on the device and the "
                f"step some {reserve}, of {free:.0f} that are free"
            )
        return ""

    def begins_at(self, step: int) -> bool:
        """Whether there is a copy of the arguments of a step."""
        return any(one.step == step for one in self.snapshots)

    def keep(self, step: int, links: Links, now: Call) -> None:
        """Keep what a step is given that the one before did not leave."""
        if self.snapshots:
            self.keeping.keep(step, links, now)
            self._fit()

    def _fit(self) -> None:
        """Drop the oldest batches until the rest is small enough."""
        copies = sum(one.host for one in self.snapshots)
        while self.keeping.steps and copies + self.keeping.size > self.most:
            self.keeping.drop()
            self.why = DROPPED

    def forget(self, before: int) -> None:
        """Drop what steps from one on do not need to be run again."""
        steps = [one.step for one in self.snapshots]
        first = max((step for step in steps if step <= before), default=before)
        self.snapshots = [one for one in self.snapshots if one.step >= first]
        self.keeping.forget(first)
        for old in [step for step in self.recorded if step < first]:
            del self.recorded[old]

    def clear(self) -> None:
        """Drop snapshots and batches: they are not of the same training any more."""
        self.snapshots = []
        self.keeping.forget(1 << 62)

    def last_good(self, seen: int, links: Links | None) -> Snapshot:
        """The last snapshot up to a step whose state is finite.

        Raises:
            LookupError: if there is none; says why.
        """
        good = [one for one in self.snapshots if one.step <= seen]
        # The first may hold an infinity as it was meant.
        while len(good) > 1 and not _is_finite(good[-1], links):
            good.pop()
        if not good:
            raise LookupError(self.why or NO_SNAPSHOT)
        return good[-1]


def _is_finite(snapshot: Snapshot, links: Links | None) -> bool:
    leaves = snapshot.flat.leaves
    if links is not None:
        pairs = zip(leaves, links.sources, strict=True)
        leaves = [leaf for leaf, source in pairs if source is not None]
    return all(finite(leaves))
