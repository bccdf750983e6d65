"""What a fork of a recording process must not take along."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

from jaxdebug.training.store.file import RunFile

PATIENCE = 10.0
"""Seconds that a fork waits for a transaction to end."""


class _Writing(Protocol):
    file: RunFile | None
    at_disk: threading.Lock


def guard_forks(writing: _Writing) -> None:
    """Let forks happen only between transactions, and children hold no lock.

    A child that closed its copy of a connection would undo its parent's transaction,
    and one that kept the lock's descriptor would hold the folder after its parent died.

    Args:
        writing: with the file, and the lock that is held during a transaction.
    """
    if not hasattr(os, "register_at_fork"):
        return
    # Nothing can be registered for a while only.
    weak = weakref.ref(writing)
    held: list[threading.Lock] = []

    def before() -> None:
        alive = weak()
        if alive is None or alive.file is None:
            return
        # A disk that hangs must not hang every fork.
        if alive.at_disk.acquire(timeout=PATIENCE):
            held.append(alive.at_disk)

    def release() -> None:
        while held:
            held.pop().release()

    def in_child() -> None:
        release()
        alive = weak()
        if alive is not None and alive.file is not None:
            alive.file.lock.forget()
            alive.file = None

    os.register_at_fork(before=before, after_in_parent=release, after_in_child=in_child)
