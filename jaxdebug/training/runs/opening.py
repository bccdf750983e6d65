"""Opening a run's file to read it, wherever it lies and however it was left."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jaxdebug.reports import show_name
from jaxdebug.training.errors import RunError
from jaxdebug.training.paths import require_path
from jaxdebug.training.store.schema import FILE, check, connect

# What SQLite says where it would have to write in order to read: a transaction that a
# killed process left has to be undone first, or the file system has no locks.
_NEEDS_COPY = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
}

# What a file leads to whose contents are not what a recorder writes.
_DAMAGE = (
    *(sqlite3.Error, ValueError, TypeError, LookupError),
    *(OverflowError, RecursionError),
)


def find_file(path: str | os.PathLike[str]) -> Path:
    """The file of a run, from its folder or from the file itself.

    Raises:
        RunError: if there is none.
        TypeError: if it is no path.
    """
    given = require_path("load_run", "path", path, "the run_dir of a watched training")
    file = given / FILE if given.is_dir() else given
    if file.is_file():
        return file
    missing = f"there is no {FILE} in it" if given.is_dir() else "no such file"
    raise RunError(
        f"expected the folder or the file of a run; found {show_name(str(given))}, "
        f"but {missing}. Give the run_dir of a watched training."
    )


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of the file, and changes nothing.

    Raises:
        RunError: if it is no run, of a newer schema, damaged, or cannot be read; also
            for what its contents make go wrong in the body.
    """
    try:
        with ExitStack() as stack:
            yield stack.enter_context(_snapshot(file, stack))
    except RunError:
        raise
    except sqlite3.OperationalError as error:
        raise RunError(
            f"expected to read {show_name(str(file))}; found: {error}. Wait for what "
            "holds it, or see who may read it."
        ) from error
    except OSError as error:
        raise RunError(
            f"expected to read {show_name(str(file))}; found: {error}."
        ) from error
    except _DAMAGE as error:
        raise RunError(
            f"expected the file of a run; {show_name(str(file))} is damaged, or none: "
            f"{error}. If it was copied while it was recorded, copy "
            f"{file.name}-journal beside it; what is legible, the sqlite3 shell's "
            ".recover gives."
        ) from error


@contextmanager
def _snapshot(file: Path, stack: ExitStack) -> Iterator[sqlite3.Connection]:
    try:
        connection = _begun(file, "ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NEEDS_COPY:
            raise
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="jaxdebug-"))
        connection = _begun(_copied(file, Path(folder)), "rw")
    try:
        check(connection, file)
        _check_pages(connection)
        yield connection
    finally:
        connection.close()


def _begun(file: Path, mode: str) -> sqlite3.Connection:
    """Open a file and begin to read, which is when SQLite looks at it."""
    connection = connect(file, mode)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _copied(file: Path, folder: Path) -> Path:
    """A copy of a file, with the journal that its last transaction left."""
    copy = folder / FILE
    shutil.copyfile(file, copy)
    journal = file.with_name(file.name + "-journal")
    if journal.is_file():
        shutil.copyfile(journal, copy.with_name(copy.name + "-journal"))
    return copy


def _check_pages(connection: sqlite3.Connection) -> None:
    """Look through a file that was not closed in order, and may be half of a copy."""
    open_end = "SELECT count(*) FROM manifest WHERE ended IS NULL"
    if connection.execute(open_end).fetchone()[0]:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
