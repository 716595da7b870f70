"""Versions of the journal's schema, and the steps from each to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from poptrain.core.errors import StoreError

__all__ = ["VERSION", "create", "migrate"]

VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  member INTEGER NOT NULL,
  interval INTEGER NOT NULL,
  score REAL,
  donor INTEGER,
  at REAL NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX events_by_kind ON events (kind, interval, member, score, donor);
CREATE INDEX events_by_member ON events (member, kind, interval);
CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, data BLOB NOT NULL);
"""

_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {}
"""From version N to N + 1; each runs inside one transaction."""


def create(connection: sqlite3.Connection, config: str) -> None:
    """Make the tables of a new journal, inside the caller's transaction."""
    for statement in _SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    rows = [("version", str(VERSION)), ("config", config)]
    connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)


def migrate(connection: sqlite3.Connection, path: str, *, write: bool) -> None:
    """Bring an older journal to this version.

    Raises:
        StoreError: it is damaged, newer than this version of poptrain, or older and may only be read.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    if row is None or not str(row[0]).isdecimal():
        raise StoreError(f"{path} does not say its schema version, so it is damaged: restore it from a backup")
    found = int(row[0])
    if found > VERSION:
        raise StoreError(f"{path} has schema version {found}, this poptrain knows {VERSION}: upgrade poptrain")
    if found < VERSION and not write:
        raise StoreError(f"{path} has schema version {found}, {VERSION} is needed: open it once with poptrain resume")
    for version in range(found, VERSION):
        connection.execute("BEGIN IMMEDIATE")
        _STEPS[version](connection)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(version + 1),))
        connection.execute("COMMIT")
