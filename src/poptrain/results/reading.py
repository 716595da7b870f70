"""Reading a journal: as it was when it was opened, whatever is added to it meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from poptrain.core.errors import StoreError
from poptrain.core.values import Value
from poptrain.store.checkpoints import Ref
from poptrain.store.journal import Journal

__all__ = ["BestSoFar", "Commit", "Reader"]

_REMEDY = "restore it from a backup, or upgrade poptrain if a newer version wrote it"


@dataclass(frozen=True, slots=True)
class BestSoFar:
    """The best checkpoint that the study keeps, and the hyperparameters of the interval that ended in it."""

    ref: Ref
    hparams: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Commit:
    """What results take from the snapshot of the last commit.

    Args:
        best: the best checkpoint.
        refs: every checkpoint that the study needs to go on.
        seconds: seconds trained.
    """

    best: BestSoFar | None = None
    refs: list[Ref] = field(default_factory=list)
    seconds: float = 0.0


class Reader:
    """A journal up to the commit that was its last when the reader was made.

    Args:
        path: the journal's file.

    Raises:
        StoreError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self.open() as journal:
            self.config = journal.config
            latest = journal.latest_snapshot()
        self.until = 0 if latest is None else latest[0]
        self.commit = Commit() if latest is None else _decode(path, latest[1])

    @contextlib.contextmanager
    def open(self) -> Iterator[Journal]:
        """Open the journal for several queries."""
        journal = Journal.read_only(self._path)
        try:
            yield journal
        except msgspec.DecodeError as error:
            raise StoreError(f"the journal {self._path} has an event that cannot be read: {error}; {_REMEDY}") from error
        finally:
            journal.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a query, which should leave out what has a higher `seq` than `until`."""
        with self.open() as journal:
            return journal.query(sql, values)

    def latest(self, population: int) -> list[tuple[int | None, float | None, str | None]]:
        """Return (interval, score, JSON) of each member's last report; None where it has not reported."""
        # One descent of an index for each member, however many reports there are.
        return self.rows(
            "WITH RECURSIVE members(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM members WHERE n + 1 < ?) "
            "SELECT e.interval, e.score, e.data FROM members LEFT JOIN events e ON e.seq = "
            "(SELECT seq FROM events WHERE member = n AND kind = 'reported' AND seq <= ? ORDER BY interval DESC LIMIT 1) "
            "ORDER BY n",
            population,
            self.until,
        )

    def last_of(self, *kinds: type[Any]) -> Any:
        """Return the last event among some kinds; None where there is none."""
        # The index keeps this from reading a long journal backwards to its beginning.
        rows = self.rows(
            f"SELECT seq FROM events INDEXED BY events_by_kind WHERE kind IN ({', '.join('?' * len(kinds))}) "
            "AND seq <= ? ORDER BY seq DESC LIMIT 1",
            *(kind.kind for kind in kinds),
            self.until,
        )
        if not rows:
            return None
        with self.open() as journal:
            return next(event for _, _, event in journal.events(after=rows[0][0] - 1))

    def events(self, *kinds: type[Any], member: int | None = None) -> list[Any]:
        """Return the events of some kinds, or one member's, in their order."""
        with self.open() as journal:
            return [event for seq, _, event in journal.events(kinds=kinds, member=member) if seq <= self.until]


def _decode(path: Path, snapshot: bytes) -> Commit:
    try:
        return msgspec.json.decode(snapshot, type=Commit)
    except msgspec.DecodeError as error:
        raise StoreError(f"the journal {path} has a snapshot that cannot be read: {error}; {_REMEDY}") from error
