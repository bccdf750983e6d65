"""Which arguments of a step changed between its samples, by their checksums."""

from __future__ import annotations

from collections.abc import Iterable

from jaxdebug.training.recorder.observation import Reading
from jaxdebug.training.trends.facts import Path

SAMPLES, STEPS = 4, 200
"""Samples, and steps from the first to the last, before something counts as what never
changes: a part may wait, as in a warm-up or between accumulated steps."""


class Changes:
    """Follows the checksums of arguments from sample to sample.

    Attributes:
        begun: the step of the first sample; None before it.
        samples: how many there were since.
        last: the step of the last one.
        moved: arguments that were not the same in all of them.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: something else than the step changed the state."""
        self.begun: int | None = None
        self.last = self.samples = 0
        self.moved = set[Path]()
        self._first: dict[Path, int] = {}

    @property
    def is_long(self) -> bool:
        """Whether there is enough to say that something never changes."""
        begun = self.begun
        return (
            begun is not None and self.samples >= SAMPLES and self.last >= begun + STEPS
        )

    @property
    def span(self) -> str:
        """The samples in words."""
        return f"in {self.samples} samples, steps {self.begun} to {self.last}"

    def sample(self, step: int, reading: Reading) -> list[Path]:
        """Take in one more sample; returns what changed for the first time."""
        self.begun = step if self.begun is None else self.begun
        self.last = step
        self.samples += 1
        paths, fresh = reading.facts.paths, []
        for name, value in reading.checksums.items():
            path = paths.get(name)
            if path is None or path in self.moved:
                continue
            if self._first.setdefault(path, value) != value:
                self.moved.add(path)
                fresh.append(path)
        return fresh

    def still(self, paths: Iterable[Path]) -> list[Path]:
        """Those that were the same in every sample."""
        return [p for p in paths if p in self._first and p not in self.moved]
