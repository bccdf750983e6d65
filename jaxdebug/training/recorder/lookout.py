"""Which scalars and parameters of a training mean trouble, and which no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxdebug.training.recorder.signals import (
    LEFT_OUT,
    LEFT_OUT_NOW,
    SKIPPED,
    SKIPPED_NOW,
)

MOST = 3
"""Incidents that are looked into, and as many steps that are passed over; an event
says that there was another."""


class Trouble(NamedTuple):
    """A value that is not finite was seen."""

    seen: int
    """The step whose results or parameters hold it."""
    signs: tuple[str, ...]
    """Names of scalars, or of parameters."""
    is_skipped: bool = False
    """Whether the step says itself that it passed over its gradient."""
    is_in_state: bool = False
    """Whether a parameter holds it, so that the step did not pass over it."""


class Lookout:
    """Tells new trouble from what was seen before.

    Attributes:
        finite_before: steps before this one had finite scalars, or were looked into.
        known_before: steps before this one were looked into.
        known: scalars and parameters that are not finite without harm, or were told.
        is_spoilt: whether the state is not finite, so that a step says nothing new.
    """

    def __init__(self) -> None:
        self.finite_before = self.known_before = 0
        self.known = set[str]()
        self.is_spoilt = False
        self._skipped: dict[str, float] = {}
        self._count = {True: 0, False: 0}
        """Of incidents looked into, by whether the step was passed over."""

    def scalars(self, step: int, numbers: Mapping[str, float]) -> Trouble | None:
        """Look at the scalars of a step."""
        bad = tuple(name for name, x in numbers.items() if not math.isfinite(x))
        bad = tuple(name for name in bad if name not in self.known)
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
            left_out = name.removesuffix(LEFT_OUT) + LEFT_OUT_NOW
            if name.endswith(LEFT_OUT) and count and numbers.get(left_out):
                rising.append(name)
        return tuple(rising)

    def parameters(self, step: int, spoilt: Sequence[str]) -> Trouble | None:
        """Look at the parameters that a sampled step was given."""
        fresh = tuple(name for name in spoilt if name not in self.known)
        self.known.update(spoilt)
        if fresh and not self.is_spoilt:
            return Trouble(step - 1, fresh, is_in_state=True)
        return None

    def is_enough(self, trouble: Trouble) -> bool:
        """Whether as many like this were looked into as may be.

        What many skipped steps came before may be one more, which only says that a
        loss scale is lowered again; once a parameter holds it, it is not.
        """
        skipped = self._count[True] == MOST and not trouble.is_in_state
        return skipped or self._count[False] == MOST

    def met(self, trouble: Trouble, *, lasts: bool | None, skipped: bool) -> None:
        """That there was an incident.

        Args:
            trouble: of it.
            lasts: whether the state is not finite since; None if that is not known.
            skipped: whether the step passed over it.
        """
        self._count[skipped] += 1
        if lasts is False and not skipped:
            self.known.update(trouble.signs)  # they do no harm, and may come again
        self.looked_into(trouble, lasts=lasts is not False and not skipped)

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
        self.known.update(trouble.signs)
        self.looked_into(trouble, lasts=False)
