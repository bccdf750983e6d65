"""One line on how a training goes, at every sample that has arrived."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jaxdebug.reports import show_name

if TYPE_CHECKING:
    from jaxdebug.training.recorder.flight import Flight

MOST = 6
"""Scalars that are named in a line."""


def status_line(
    step: int,
    rate: float | None,
    scalars: Mapping[str, float],
    findings: int,
    waiting: int = 0,
    dropped: int = 0,
) -> str:
    """The line.

    Args:
        step: that was reached.
        rate: steps in a second; None if that is not known yet.
        scalars: the last that arrived, by name.
        findings: how many there were.
        waiting: samples on their way to the host.
        dropped: samples that were never looked at.
    """
    parts = [f"step {step}"]
    if rate is not None:
        parts.append(f"{rate:.3g} steps/s")
    parts += [f"{show_name(n)} {x:.4g}" for n, x in [*scalars.items()][:MOST]]
    if len(scalars) > MOST:
        parts.append(f"{len(scalars) - MOST} more scalars")
    parts.append(f"{findings or 'no'} finding{'' if findings == 1 else 's'}")
    parts += [f"{waiting} samples waiting"] if waiting else []
    parts += [f"{dropped} samples dropped"] if dropped else []
    return ", ".join(parts)


def to_stderr(line: str) -> None:
    """A line of its own, as a pipe, a notebook and a terminal with a bar take it."""
    # A training must not end because nobody reads it any more.
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


class Status:
    """Tells a line whenever more samples have arrived.

    Args:
        tell: is given each line.
        now: the seconds of a clock.
    """

    def __init__(
        self, tell: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.tell, self.now = tell, now
        self._sampled = 0
        self._last: tuple[int, float] | None = None

    def look(self, flight: Flight) -> None:
        """Tell a line if more samples have arrived than before."""
        history = flight.history
        if history.sampled == self._sampled:
            return
        now, last = (flight.step, self.now()), self._last
        self._sampled, self._last = history.sampled, now
        # Until the first sample arrives everything is compiled.
        known = last is not None and now[0] > last[0] and now[1] > last[1]
        rate = (now[0] - last[0]) / (now[1] - last[1]) if known and last else None
        scalars = history.numbers[-1][1] if history.numbers else {}
        found = len(history.findings)
        self.tell(
            status_line(now[0], rate, scalars, found, flight.waiting, flight.dropped)
        )
