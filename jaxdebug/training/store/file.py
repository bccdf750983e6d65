"""A run's file while it is recorded: its session and its lock."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxdebug.training.errors import RunError
from jaxdebug.training.records import Record
from jaxdebug.training.store.commit import (
    begin_session,
    end_session,
    insert,
    is_ours,
    transaction,
)
from jaxdebug.training.store.lock import FolderLock, lock_folder
from jaxdebug.training.store.schema import FILE

PATIENCE, PATIENCE_AT_END = 5.0, 20.0
"""Seconds to wait for readers, and where there is no next time."""


@dataclass(frozen=True)
class RunFile:
    """A run's file, open for recording by this process alone."""

    path: Path
    session: int
    run: str
    lock: FolderLock

    def write(self, records: Sequence[Record], *, last: bool) -> None:
        """Write records in one transaction.

        Raises:
            RunError: if the file is no longer the one that was begun.
            sqlite3.Error: if it cannot be written.
        """
        patience = PATIENCE_AT_END if last else PATIENCE
        with transaction(self.path, timeout=patience) as connection:
            if not is_ours(connection, self.session, self.run):
                raise RunError("another file was put in its place")
            insert(connection, self.session, records)
            if last:
                end_session(connection, self.session)


def open_file(folder: Path, manifest: str, *, resume: bool) -> RunFile:
    """Make a run's folder and file, or take them up again.

    Raises:
        RunError: if the folder is in use, or holds a run that is not to be resumed or
            cannot be.
        sqlite3.Error, OSError: if it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"expected run_dir to be a folder; found a file: {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_folder(folder)
    try:
        path, run = folder / FILE, uuid.uuid4().hex
        session = begin_session(path, run, manifest, resume=resume)
    except BaseException:
        lock.release()
        raise
    return RunFile(path, session, run, lock)
