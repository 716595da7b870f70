"""The journal: every event of a study as one row of an SQLite file, and the snapshot from which the study goes on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from poptrain.core.errors import DiskFull, StoreError
from poptrain.core.events import Event
from poptrain.store import migrations
from poptrain.store.faults import point

__all__ = ["Journal"]

_KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in get_args(Event)}
_COLUMNS = ("member", "interval", "score", "donor")
_ENCODER = msgspec.json.Encoder()
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()}
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # the second: no room for the index of the WAL
_REMEDY = "restore it from a backup, or upgrade poptrain if a newer version wrote it"
_INSERT = "INSERT INTO events (kind, member, interval, score, donor, at, data) VALUES (?, ?, ?, ?, ?, ?, ?)"


class Journal:
    """Events in the order in which they happened.

    There is one writer, the study's controller; any number of readers may look on while it writes. Appended events wait in
    memory for `commit`, which writes them and the snapshot in one transaction.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._buffer: list[tuple[Any, ...]] = []

    @classmethod
    def create(cls, path: Path, config: str) -> Journal:
        """Make a new journal with a study's settings (JSON).

        Raises:
            StoreError, DiskFull: the file exists or cannot be made.
        """
        if path.exists():
            raise StoreError(f"{path} exists already: open it, or choose another directory")
        # Under its name the file is either a whole journal or not there.
        temporary = path.with_name(path.name + ".new")
        for old in (temporary, *_companions(temporary)):
            old.unlink(missing_ok=True)
        with _translated(path):
            # Not in WAL mode yet: all of it must be in this one file when it gets its name.
            with contextlib.closing(_connect(temporary, "rwc")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                migrations.create(connection, config)
                point("before the commit of a new journal")
                connection.execute("COMMIT")
            point("before the rename of a new journal")
            temporary.rename(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open a journal for writing.

        Raises:
            StoreError: there is none, it is damaged, or it is newer than this version.
        """
        return cls._open(path, write=True)

    @classmethod
    def read_only(cls, path: Path) -> Journal:
        """Open a journal for reading only; nothing of it is changed, and its writer is never held up."""
        return cls._open(path, write=False)

    @classmethod
    def _open(cls, path: Path, *, write: bool) -> Journal:
        if not path.is_file():
            raise StoreError(f"there is no journal {path}: name the folder of a study")
        with _translated(path):
            connection = _connect(path, "rw" if write else "ro")
            try:
                if write:
                    connection.execute("PRAGMA journal_mode=WAL")
                migrations.migrate(connection, str(path), write=write)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    @property
    def config(self) -> str:
        """The study's settings, as JSON."""
        return str(self.query("SELECT value FROM meta WHERE key = 'config'")[0][0])

    def set_config(self, config: str) -> None:
        """Replace the study's settings."""
        with self._transaction():
            self._connection.execute("UPDATE meta SET value = ? WHERE key = 'config'", (config,))

    @property
    def buffered(self) -> int:
        """Number of events that wait for a commit."""
        return len(self._buffer)

    def append(self, event: Event, at: float) -> None:
        """Buffer an event that happened at `at` (seconds since 1970)."""
        columns = [getattr(event, name, None) for name in _COLUMNS]
        self._buffer.append((event.kind, *columns, at, _ENCODER.encode(event).decode()))

    def commit(self, snapshot: bytes) -> None:
        """Write all buffered events and the snapshot that they lead to; afterwards they survive a power failure.

        Raises:
            DiskFull, StoreError: nothing was written, and the events are still buffered.
        """
        with self._transaction():
            self._connection.executemany(_INSERT, self._buffer)
            self._connection.execute(
                "INSERT INTO snapshot VALUES (1, (SELECT COALESCE(MAX(seq), 0) FROM events), ?) "
                "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, data = excluded.data",
                (snapshot,),
            )
        self._buffer.clear()

    def discard(self) -> None:
        """Drop all buffered events."""
        self._buffer.clear()

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        """Return (number of the last event it holds, snapshot), or None before the first commit."""
        rows = self.query("SELECT seq, data FROM snapshot")
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def events(
        self, *, after: int = 0, kinds: Sequence[type[Any] | str] | None = None, member: int | None = None
    ) -> Iterator[tuple[int, float, Event]]:
        """Yield (number, seconds since 1970, event) of committed events, in their order.

        Args:
            after: only events with a higher number.
            kinds: only these, as classes or names.
            member: only this member's.
        """
        where, values = ["seq > ?"], [after]
        if kinds is not None:
            names = [kind if isinstance(kind, str) else kind.kind for kind in kinds]
            where.append(f"kind IN ({', '.join('?' * len(names))})")
            values += names  # type: ignore[arg-type]
        if member is not None:
            where.append("member = ?")
            values.append(member)
        sql = f"SELECT seq, at, kind, data FROM events WHERE {' AND '.join(where)} ORDER BY seq"
        with _translated(self._path):
            for seq, at, kind, data in self._connection.execute(sql, values):
                yield seq, at, self._decode(seq, kind, data)

    def _decode(self, seq: int, kind: str, data: str) -> Event:
        try:
            event: Event = _DECODERS[kind].decode(data)
        except (KeyError, TypeError, msgspec.DecodeError) as error:
            raise StoreError(f"event {seq} of the journal {self._path} cannot be read ({error!r}): {_REMEDY}") from error
        return event

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a query; for reading only."""
        with _translated(self._path):
            return self._connection.execute(sql, values).fetchall()

    def check(self) -> None:
        """Check the file's structure.

        Raises:
            StoreError: it is damaged.
        """
        found = self.query("PRAGMA integrity_check")
        if found != [("ok",)]:
            raise StoreError(f"the journal {self._path} is damaged: {found[0][0]}")

    def close(self) -> None:
        """Close the file; buffered events are gone."""
        self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                point("before a commit of the journal")
                self._connection.execute("COMMIT")
                point("after a commit of the journal")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _connect(path: Path, mode: Literal["rwc", "rw", "ro"]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=30,
    )
    try:
        connection.execute("PRAGMA query_only=ON" if mode == "ro" else "PRAGMA synchronous=FULL")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal")]


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into the project's own."""
    try:
        yield
    except sqlite3.Error as error:
        if "full" in str(error) or getattr(error, "sqlite_errorname", "") in _FULL:
            raise DiskFull(
                f"writing {path} failed, the disk is full: what was committed is kept; free some room and resume"
            ) from error
        raise StoreError(f"the journal {path} cannot be used: {error}; restore it from a backup if it is damaged") from error
    except OSError as error:
        if error.errno == 28:
            raise DiskFull(f"writing {path} failed, the disk is full: free some room and resume") from error
        raise StoreError(f"the journal {path} cannot be used: {error.strerror or error}") from error
