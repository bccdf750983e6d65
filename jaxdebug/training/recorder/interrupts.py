"""Handlers of signals of the operating system, chained to those that were there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None


def require_signals(signals: Sequence[int]) -> tuple[signal.Signals, ...]:
    """Signals that can be handled, from this thread.

    Raises:
        ValueError: if one of them cannot.
    """
    try:
        found = tuple(map(signal.Signals, signals))
    except (TypeError, ValueError):
        found = None
    never = {getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")}
    if found is None or never.intersection(found):
        raise ValueError(
            "watch expects handle_signals to be signals that can be handled, such as "
            f"(signal.SIGTERM,); found {signals!r}."
        )
    if found and threading.current_thread() is not threading.main_thread():
        raise ValueError(
            "watch expects to be called in the main thread if it is to handle signals; "
            f"found thread {threading.current_thread().name!r}."
        )
    return found


def chained(
    signals: Sequence[signal.Signals], action: Callable[[signal.Signals], None]
) -> Callable[[], None]:
    """Have something done when a signal comes, before what was done of it so far.

    Args:
        signals: which.
        action: what to do.

    Returns:
        What puts back the handlers that were there; twice is fine.
    """
    before: dict[signal.Signals, Handler] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        known = signal.Signals(number)
        previous = before.get(known, signal.SIG_DFL)
        action(known)
        if callable(previous):
            previous(number, frame)
        elif previous == signal.SIG_DFL:
            # So that the process ends as it would have, with the status of a signal.
            signal.signal(known, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def restore() -> None:
        while before:
            known, previous = before.popitem()
            # Somebody else's handler, set since, is theirs to take away.
            if signal.getsignal(known) is handle:
                signal.signal(known, signal.SIG_DFL if previous is None else previous)

    for one in signals:
        before[one] = signal.getsignal(one)
        signal.signal(one, handle)
    return restore
