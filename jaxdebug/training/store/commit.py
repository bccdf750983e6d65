"""Records as rows of the file, in one transaction."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from jaxdebug.training.arrays import RawArray
from jaxdebug.training.errors import RunError
from jaxdebug.training.layout import Layout, layout_of_leaves
from jaxdebug.training.records import (
    Checksums,
    Event,
    Histogram,
    Record,
    Sample,
    Scalars,
)
from jaxdebug.training.store.schema import check, connect, create, is_empty


@contextmanager
def transaction(
    file: Path, mode: str = "rw", timeout: float = 5.0
) -> Iterator[sqlite3.Connection]:
    """A connection for one transaction: no connection lives between two of them."""
    with closing(connect(file, mode, timeout=timeout)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def begin_session(file: Path, run: str, manifest: str, *, resume: bool) -> int:
    """Make the file, or take it up again, and note that a session begins.

    Args:
        file: of the run.
        run: what tells the writer of the session from any other.
        manifest: JSON.
        resume: whether a run that is there may be taken up again.

    Returns:
        The session's number, from 1.

    Raises:
        RunError: if there is a run and `resume` is false, or no run that can be taken
            up.
        sqlite3.Error, OSError: if the file cannot be written.
    """
    with transaction(file, "rwc") as connection:
        if is_empty(connection):
            create(connection)
        else:
            check(connection, file)
            if not resume:
                raise RunError(
                    f"expected run_dir to hold no run; found one in {file.parent}. "
                    "Give another folder, or resume=True to go on with that run."
                )
        row = (run, time.time(), manifest)
        cursor = connection.execute(
            "INSERT INTO manifest(run, started, content) VALUES (?, ?, ?)", row
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def is_ours(connection: sqlite3.Connection, session: int, run: str) -> bool:
    """Whether the file still is the one that a session began."""
    query = "SELECT run FROM manifest WHERE session = ?"
    return connection.execute(query, (session,)).fetchone() == (run,)


def end_session(connection: sqlite3.Connection, session: int) -> None:
    """Note that a session was closed in order."""
    update = "UPDATE manifest SET ended = ? WHERE session = ?"
    connection.execute(update, (time.time(), session))


def insert(
    connection: sqlite3.Connection, session: int, records: Iterable[Record]
) -> None:
    """Insert records; names, layouts and edges that are known are not written again."""
    name = cache(lambda text: _name(connection, text))
    layout = cache(lambda layout: _layout(connection, layout))
    leaves = cache(lambda paths: _layout(connection, layout_of_leaves(paths)))
    edges = cache(lambda array: _edges(connection, array))
    scalars = []
    rows: dict[type[Record], list[tuple]] = {kind: [] for kind in _INSERTS}
    for record in records:
        step = (session, record.step)
        match record:
            case Scalars(_, values):
                for text, value in values.items():
                    number = None if math.isnan(value) else value
                    scalars.append((*step, name(text), number))
            case Event(_, moment, kind, content):
                texts = (json.dumps(kind), json.dumps(content))
                rows[Event].append((*step, moment, *texts))
            case Sample(_, own, values):
                rows[Sample].append((*step, layout(own), *_columns(values)))
            case Checksums(_, paths, values):
                rows[Checksums].append((*step, leaves(paths), *_columns(values)))
            case Histogram(_, text, own, counts):
                places = (name(text), edges(own))
                rows[Histogram].append((*step, *places, *_columns(counts)))
    connection.executemany("INSERT INTO scalars VALUES (?, ?, ?, ?)", scalars)
    for kind, statement in _INSERTS.items():
        connection.executemany(statement, rows[kind])


_INSERTS: dict[type[Record], str] = {
    Event: "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
    Sample: "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?)",
    Checksums: "INSERT INTO checksums VALUES (?, ?, ?, ?, ?, ?)",
    Histogram: "INSERT INTO histograms VALUES (?, ?, ?, ?, ?, ?, ?)",
}


def _columns(array: RawArray) -> tuple[str, str, bytes]:
    return array.dtype, json.dumps(list(array.shape)), array.data


def _once(
    connection: sqlite3.Connection,
    find: str,
    key: str,
    add: Callable[[], int | None],
) -> int:
    """The number of a row that stands in the file once."""
    row = connection.execute(find, (key,)).fetchone()
    found = row[0] if row else add()
    assert found is not None
    return found


def _name(connection: sqlite3.Connection, text: str) -> int:
    name = json.dumps(text)
    insert = "INSERT INTO names(name) VALUES (?)"
    return _once(
        connection,
        "SELECT id FROM names WHERE name = ?",
        name,
        lambda: connection.execute(insert, (name,)).lastrowid,
    )


def _layout(connection: sqlite3.Connection, layout: Layout) -> int:
    insert = "INSERT INTO layouts(digest, content) VALUES (?, ?)"
    row = (layout.digest, layout.content)
    return _once(
        connection,
        "SELECT id FROM layouts WHERE digest = ?",
        layout.digest,
        lambda: connection.execute(insert, row).lastrowid,
    )


def _edges(connection: sqlite3.Connection, edges: RawArray) -> int:
    dtype, shape, data = _columns(edges)
    digest = hashlib.sha256(f"{dtype}{shape}".encode() + data).hexdigest()
    insert = "INSERT INTO edges(digest, dtype, shape, data) VALUES (?, ?, ?, ?)"
    return _once(
        connection,
        "SELECT id FROM edges WHERE digest = ?",
        digest,
        lambda: connection.execute(insert, (digest, dtype, shape, data)).lastrowid,
    )
