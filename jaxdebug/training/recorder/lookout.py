"""Which scalars and parameters of a training mean trouble, and which no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxdebug.training.recorder.signals import SKIPPED, SKIPPED_NOW


class Trouble(NamedTuple):
    """A value that is not finite was seen."""

    seen: int
    """The step whose results or parameters hold it."""
    signs: tuple[str, ...]
    """Names of scalars, or of parameters."""
    is_skipped: bool = False
    """Whether the step says itself that it passed over its gradient."""


class Lookout:
    """Tells new trouble from what was seen before.

    Attributes:
        finite_before: steps before this one had finite scalars, or were looked into.
        known_before: steps before this one were looked into.
        is_spoilt: whether the state is not finite, so that a step says nothing new.
    """

    def __init__(self) -> None:
        self.finite_before = self.known_before = 0
        self._known = set[str]()
        self.is_spoilt = False
        self._skipped: dict[str, float] = {}

    def scalars(self, step: int, numbers: Mapping[str, float]) -> Trouble | None:
        """Look at the scalars of a step."""
        bad = tuple(name for name, x in numbers.items() if not math.isfinite(x))
        bad = tuple(name for name in bad if name not in self._known)
        skipped = self._rising(numbers)
        if not bad and not skipped:
            self.is_spoilt, self.finite_before = False, step + 1
        elif not self.is_spoilt:
            return Trouble(step, (*bad, *skipped), bool(skipped))
        return None

    def _rising(self, numbers: Mapping[str, float]) -> tuple[str, ...]:
        """Counters of Optax that say that this step was not finite."""
        rising = []
        for name, count in numbers.items():
            if name.endswith(SKIPPED):
                now = numbers.get(name.removesuffix(SKIPPED) + SKIPPED_NOW, 0)
                # Before the first step a restored state may have counted already.
                if count > self._skipped.get(name, count - 1 if now else count):
                    rising.append(name)
                self._skipped[name] = count
        return tuple(rising)

    def parameters(self, step: int, spoilt: Sequence[str]) -> Trouble | None:
        """Look at the parameters that a sampled step was given."""
        fresh = tuple(name for name in spoilt if name not in self._known)
        self._known.update(spoilt)
        if fresh and not self.is_spoilt:
            return Trouble(step - 1, fresh)
        return None

    def looked_into(self, trouble: Trouble, *, lasts: bool) -> None:
        """That the origin was looked for.

        Args:
            trouble: of it.
            lasts: whether the state is spoilt since.
        """
        self.known_before = trouble.seen + 1
        self.finite_before = max(self.finite_before, self.known_before)
        self.is_spoilt = lasts

    def is_meant(self, trouble: Trouble) -> None:
        """That these are infinite as they should be."""
        self._known.update(trouble.signs)
        self.looked_into(trouble, lasts=False)
