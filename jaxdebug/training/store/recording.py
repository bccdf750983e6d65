"""The thread that writes what waits, and what it does when it cannot."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator, Sequence

from jaxdebug.training.errors import RunError
from jaxdebug.training.records import Record, event_now
from jaxdebug.training.sinks.outlets import Outlets
from jaxdebug.training.store.file import RunFile
from jaxdebug.training.store.forks import guard_forks
from jaxdebug.training.store.waiting import Waiting

PATIENCE = 600.0
"""Seconds of failed attempts after which recording is given up."""

MOST = 10**6
"""Records that may wait."""

# What may pass: when a reader has read, or somebody has made room.
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


class Recording:
    """Records that wait, where they go, and the thread that takes them there.

    The thread alone touches the disk and the sinks, so that no caller waits for them.

    Args:
        file: of the run; None for sinks alone.
        outlets: the sinks.
        limit: bytes that samples may take while they wait, for the thread and once
            more for the disk.
        every: seconds between two flushes.
    """

    def __init__(
        self, file: RunFile | None, outlets: Outlets, limit: int, every: float
    ) -> None:
        self.file = file
        self.outlets = outlets
        self.every = every
        self.pid = os.getpid()
        self.changed = threading.Condition()
        self.at_disk = threading.Lock()
        self.waiting = Waiting(limit)
        self.unwritten = Waiting(limit)  # the thread's own
        self.asked = self.done = 0  # flushes, counted
        self.closing = self.closed = self.lost = self.stuck = False
        self.failing_since: float | None = None
        self.unsaid: list[str] = []
        self.thread = threading.Thread(
            target=self._run, name="jaxdebug-recording", daemon=True
        )
        guard_forks(self)
        self.thread.start()

    @property
    def is_ours(self) -> bool:
        """Whether this process began it; a forked child has no thread."""
        return self.pid == os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether there is anywhere to write to."""
        somewhere = self.file is not None or bool(self.outlets.sinks)
        return somewhere and not self.closing and not self.stuck

    def add(self, record: Record) -> None:
        """Take in a record, without waiting for the disk."""
        with self.changed:
            if not self.is_open:
                return
            self.waiting.add((record,))
            if self.waiting.is_filling:
                self.changed.notify_all()
            if len(self.waiting) > MOST:
                # A disk or a sink that hangs must not fill the memory.
                self.stuck = True
                self.waiting.take()
                self.unsaid.append(
                    f"the run is no longer recorded: {MOST} records wait for a disk "
                    "or a sink that hangs"
                )

    def flush(self, timeout: float) -> bool:
        """Wait until what was added is written; False if it is not by then."""
        with self.changed:
            self.asked += 1
            asked = self.asked
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.done >= asked or self.closed, timeout)
            return self.done >= asked and not self.lost and self.failing_since is None

    def close(self, timeout: float) -> None:
        """Write what is left and end the thread; does nothing in a forked child."""
        if not self.is_ours:
            return
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        # Garbage may be collected in any thread, in the writing one too.
        if self.thread is threading.current_thread():
            return
        self.thread.join(timeout)
        if self.thread.is_alive():
            self.unsaid.append(f"the end of the run took longer than {timeout:g} s")

    def _run(self) -> None:
        while not self.closed:
            with self.changed:
                self.changed.wait_for(self._is_time, self.every)
                last, asked = self.closing, self.asked
                records = self.waiting.take()
            try:
                self._write(records, last=last)
            except Exception:
                # Whatever it was, the training goes on and the user is told.
                self.outlets.drop()
                self._give_up(f"an error in jaxdebug.\n{traceback.format_exc()}")
            with self.changed:
                self.done, self.closed = asked, last
                self.changed.notify_all()

    def _is_time(self) -> bool:
        return self.closing or self.asked > self.done or self.waiting.is_filling

    def _write(self, records: list[Record], *, last: bool) -> None:
        # The file first: a sink may hang.
        self._store(records)
        problems = self.outlets.write(records)
        if last:
            problems += self.outlets.close()
        self.unsaid += problems
        step = max((record.step for record in records), default=0)
        notes = [event_now(step, "sink-off", {"message": text}) for text in problems]
        if notes or last:
            self._store(notes, last=last)

    def _store(self, records: Sequence[Record], *, last: bool = False) -> None:
        if self.file is None:
            return
        self.unwritten.add(records)
        if not self.unwritten and not last:
            return
        records = self.unwritten.take()
        step = max((record.step for record in records), default=0)
        try:
            with self.at_disk:
                self.file.write([*records, *self._recovery(step)], last=last)
        except (sqlite3.Error, OSError, RunError) as error:
            self._failed(error, records, last=last)
            return
        self.failing_since = None
        if last:
            self._let_go()

    def _recovery(self, step: int) -> Iterator[Record]:
        """What to note if this attempt succeeds and the last one did not."""
        if self.failing_since is not None:
            seconds = round(self._failed_for(time.monotonic()))
            yield event_now(step, "recording-resumed", {"after_seconds": seconds})

    def _failed(self, error: Exception, records: list[Record], *, last: bool) -> None:
        code = getattr(error, "sqlite_errorcode", -1) & 0xFF
        now = time.monotonic()
        too_long = self._failed_for(now) > PATIENCE or len(records) > MOST
        if last or code not in _PASSING or too_long:
            self._give_up(str(error))
            return
        if self.failing_since is None:
            self.failing_since = now
            if code != sqlite3.SQLITE_BUSY and not self.closing:
                self.unsaid.append(f"the run cannot be written: {error}; trying again")
        self.unwritten.add(records)

    def _failed_for(self, now: float) -> float:
        return 0.0 if self.failing_since is None else now - self.failing_since

    def _give_up(self, reason: str) -> None:
        self.lost = True
        self.unsaid.append(f"the run is no longer recorded: {reason}")
        self._let_go()

    def _let_go(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            file.lock.release()
