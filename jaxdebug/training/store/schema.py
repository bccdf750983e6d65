"""The tables of a run's file, and the two ways of opening it."""

from __future__ import annotations

import sqlite3
import urllib.parse
from pathlib import Path

from jaxdebug.reports import show_name
from jaxdebug.training.errors import RunError

FILE = "run.sqlite"
VERSION = 1
APPLICATION = 0x6A786462
"""Tells a run from any other SQLite file; "jxdb" in ASCII."""

# Names and kinds are JSON strings: ASCII, whatever the user's characters are. NULL
# stands for NaN, which SQLite cannot hold.
TABLES = {
    "manifest": "session INTEGER PRIMARY KEY, run TEXT NOT NULL, started REAL NOT NULL,"
    " ended REAL, content TEXT NOT NULL",
    "names": "id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE",
    "layouts": "id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,"
    " content TEXT NOT NULL",
    "edges": "id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,"
    " dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL",
    "scalars": "session INTEGER NOT NULL, step INTEGER NOT NULL, name INTEGER NOT NULL,"
    " value REAL",
    "samples": "session INTEGER NOT NULL, step INTEGER NOT NULL,"
    " layout INTEGER NOT NULL, dtype TEXT NOT NULL, shape TEXT NOT NULL,"
    " data BLOB NOT NULL",
    "checksums": "session INTEGER NOT NULL, step INTEGER NOT NULL,"
    " layout INTEGER NOT NULL, dtype TEXT NOT NULL, shape TEXT NOT NULL,"
    " data BLOB NOT NULL",
    "histograms": "session INTEGER NOT NULL, step INTEGER NOT NULL,"
    " name INTEGER NOT NULL, edges INTEGER NOT NULL, dtype TEXT NOT NULL,"
    " shape TEXT NOT NULL, data BLOB NOT NULL",
    "events": "session INTEGER NOT NULL, step INTEGER NOT NULL, time REAL NOT NULL,"
    " kind TEXT NOT NULL, content TEXT NOT NULL",
}
_STATEMENTS = {name: f"CREATE TABLE {name} ({text})" for name, text in TABLES.items()}


def connect(file: Path, mode: str, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a file as SQLite; transactions are begun by hand.

    Args:
        file: the file.
        mode: `ro`, `rw`, or `rwc` to make the file.
        timeout: seconds to wait for another process that reads or writes.

    Raises:
        sqlite3.Error: if it cannot be opened.
    """
    # The path may hold characters that mean something in a URI.
    quoted = urllib.parse.quote(str(file.absolute()), errors="surrogateescape")
    connection = sqlite3.connect(
        f"file:{quoted}?mode={mode}", uri=True, timeout=timeout, isolation_level=None
    )
    try:
        # What SQLite advises for a file of unknown origin.
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        if mode != "ro":
            connection.execute("PRAGMA journal_mode=TRUNCATE")
    except BaseException:
        connection.close()
        raise
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file, inside the transaction that is open."""
    connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    for statement in _STATEMENTS.values():
        connection.execute(statement)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever written into the file."""
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def check(connection: sqlite3.Connection, file: Path) -> None:
    """Refuse a file that is no run of this version.

    Raises:
        RunError: says what it is, and what to do.
    """
    shown = show_name(str(file))
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION and is_empty(connection):
        size = file.stat().st_size
        raise RunError(
            f"expected the file of a run; {shown} holds no tables and is {size} bytes "
            "long: it was cut off, or is none. Give the run_dir of a watched training."
        )
    if application != APPLICATION:
        raise RunError(
            f"expected the file of a run; {shown} is a SQLite file of another kind. "
            "Give the run_dir of a watched training."
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise RunError(
            f"expected a run of schema {VERSION}; {shown} has schema {version}, of a "
            "newer jaxdebug. Read it with that version: pip install -U jaxdebug."
        )
    found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    tables = {name: sql for kind, name, sql in found if kind == "table"}
    other = [n for n, sql in _STATEMENTS.items() if tables.get(n) != sql]
    # A trigger would act on what is written.
    other += [name for kind, name, _ in found if kind == "trigger"]
    if other:
        raise RunError(
            f"expected the tables of a run; in {shown} these are others: "
            f"{', '.join(map(show_name, other))}. It was changed by hand, or damaged."
        )
