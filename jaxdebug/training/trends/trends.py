"""All that is looked at from step to step of one training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxdebug.findings import Finding
from jaxdebug.training.recorder.observation import Reading
from jaxdebug.training.trends.changes import Changes
from jaxdebug.training.trends.compilations import Compilations
from jaxdebug.training.trends.frozen import Frozen
from jaxdebug.training.trends.numbers import Sizes
from jaxdebug.training.trends.state import State
from jaxdebug.training.trends.still import Still


class Trends:
    """Finds what no single step shows; each finding is raised once.

    Args:
        function: the user's step.
        frozen: patterns of the paths of parameters that must not change.
    """

    def __init__(self, function: Callable[..., Any], frozen: Sequence[str]) -> None:
        self.called = Compilations(function).findings
        """What is to be said after a call, of its number and its arguments."""
        self._frozen = Frozen(frozen)
        self._still, self._state = Still(self._frozen.covers, bool(frozen)), State()
        self._changes, self._sizes = Changes(), Sizes()
        self._from = 0

    def restart(self, step: int) -> None:
        """Begin anew at a step: something else than the step before changed its state.

        Samples of earlier steps may still be on their way.
        """
        self._from = step
        self._changes.restart()
        self._sizes.restart()

    def sample(self, step: int, reading: Reading) -> Iterator[Finding]:
        """What is to be said when one more sample has arrived."""
        if not reading.facts.paths or step < self._from:
            return
        moved = self._changes.sample(step, reading)
        yield from self._frozen.findings(step, reading, moved, self._sizes)
        if self._changes.still(reading.facts.parameters):
            self._sizes.sample(reading)  # of what moves nobody will ask
        yield from self._still.findings(reading.facts, self._changes, self._sizes)
        yield from self._state.findings(reading.facts, self._changes)
