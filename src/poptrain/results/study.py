"""A study, for reading."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from poptrain.core.errors import CheckpointError, StoreError, StudyLocked
from poptrain.core.events import Failed, Finished, HeldOut, Paused, Replaced, Reported, Restarted, Resumed, Started
from poptrain.core.values import Value
from poptrain.results.analysis import ancestors_alive
from poptrain.results.card import card
from poptrain.results.diagnostics import Diagnosis, diagnose
from poptrain.results.digest import digest_of, saved_digest
from poptrain.results.frames import frame_of
from poptrain.results.lineage import Lineage, Origin
from poptrain.results.plots import Plots
from poptrain.results.reading import Reader
from poptrain.results.record import Record, record_of, reports_of
from poptrain.results.schedule import Schedule, Span
from poptrain.results.views import BestMember, MemberView
from poptrain.space import Space
from poptrain.store.checkpoints import CheckpointStore
from poptrain.store.config import StudyConfig
from poptrain.store.directory import StudyDirectory

__all__ = ["Status", "Study"]

Status = Literal["running", "paused", "finished", "interrupted"]


class Study:
    """A study's results, read from its folder as they were when it was opened; nothing is ever written.

    A running study may be opened at any time. Open it anew to see what has happened since.

    Example:
        study = Study.open("runs/cifar")
        study.best.score, study.best.load(), study.schedule.at(1200)
    """

    def __init__(self, directory: StudyDirectory) -> None:
        # First the lock, then the journal: a study that ends in between must not look as if it had been killed.
        self._locked = directory.locked()
        self._directory = directory
        self._reader = Reader(directory.journal)
        self.config = StudyConfig.decode(self._reader.config)

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """Open the study in a folder.

        Raises:
            StoreError: there is none, or its journal cannot be read.
        """
        folder = StudyDirectory(directory)
        if not folder.exists():
            raise StoreError(f"there is no study in {directory}: name a folder that holds study.sqlite")
        return cls(folder)

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.status}, {str(self.directory)!r})"

    def _repr_html_(self) -> str:
        return card(self)

    # What it is, and how far it got.

    @property
    def directory(self) -> Path:
        """The study's folder."""
        return self._directory.path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.config.name

    @cached_property
    def space(self) -> Space:
        """The search space."""
        return Space.from_json(self.config.space)

    @property
    def status(self) -> Status:
        """Whether it is running, paused in an orderly way, finished, or interrupted (killed, or broken by an error)."""
        if self._locked:
            return "running"
        return {Finished: "finished", Paused: "paused"}.get(type(self._ending), "interrupted")  # type: ignore[return-value]

    @property
    def finished(self) -> bool:
        """Whether it reached its end, as its journal says: also true inside of the controller that still holds it."""
        return isinstance(self._ending, Finished)

    @property
    def because(self) -> str:
        """Why it finished or paused; empty where it did neither."""
        return self._ending.because if isinstance(self._ending, (Finished, Paused)) else ""

    @cached_property
    def completed(self) -> tuple[int, ...]:
        """Intervals completed by each member."""
        return tuple(interval or 0 for interval, _, _ in self._latest)

    @property
    def intervals_left(self) -> int:
        """Member-intervals that are still to be trained."""
        return sum(max(0, self.config.intervals - done) for done in self.completed)

    @property
    def steps(self) -> int:
        """Member-steps charged to the budget so far; failed intervals count."""
        return sum(self.completed) * self.config.interval_steps

    @property
    def seconds(self) -> float:
        """Seconds trained so far, pauses left out."""
        return self._reader.commit.seconds

    @cached_property
    def copies(self) -> int:
        """Number of times that a member took over another one's weights or hyperparameters."""
        sql = "SELECT COUNT(*) FROM events WHERE kind = 'replaced' AND donor <> member AND seq <= ?"
        return int(self._reader.rows(sql, self._reader.until)[0][0])

    @cached_property
    def failures(self) -> tuple[Failed, ...]:
        """Everything that went wrong with members, retried intervals included."""
        return tuple(self._reader.events(Failed))

    # What came out.

    @property
    def scored(self) -> bool:
        """Whether any interval has a score, and so there is a best checkpoint."""
        return self._reader.commit.best is not None

    @cached_property
    def best(self) -> BestMember:
        """The best checkpoint by selection score, the earliest among equal ones.

        It is the one that the study keeps, so it can be loaded.

        Raises:
            StoreError: there is no score yet, or none was finite.
        """
        found = self._reader.commit.best
        if found is None:
            raise StoreError(f"{self.directory} has no score yet: no interval was completed, or every one of them failed")
        ref, store = found.ref, CheckpointStore(self._directory.checkpoints)
        sql = "SELECT score FROM events WHERE member = ? AND kind = 'reported' AND interval = ?"
        rows = self._reader.rows(sql, ref.member, ref.interval)
        if not rows:
            raise StoreError(f"the journal has no report of its best checkpoint {ref.name}: restore it from a backup")
        return BestMember(ref.member, ref.interval, rows[0][0], found.hparams, store, lambda: self.schedule)

    @cached_property
    def held_out(self) -> HeldOut | None:
        """Scores of a checkpoint on data that no selection saw; None where they were not measured."""
        found = self._reader.last_of(HeldOut)
        return found if isinstance(found, HeldOut) else None

    @cached_property
    def schedule(self) -> Schedule:
        """The hyperparameters along the line of weights that led to the best checkpoint; empty before the first.

        Intervals in which nothing was trained (a worker was lost, the training code raised) are left out.
        """
        if not self.scored:
            return Schedule([])
        spans: list[Span] = []
        for report in self._trained(self.lineage.ancestry(self.best.member, self.best.interval)):
            start = spans[-1].end_step if spans else 0
            spans.append(Span(start, start + self.config.interval_steps, dict(report.hparams), report.member))
        return Schedule(spans)

    @cached_property
    def lineage(self) -> Lineage:
        """Who copied whom, and who began anew."""
        failed = self._reader.rows(
            "SELECT member, interval FROM events INDEXED BY events_by_kind "
            "WHERE kind = 'reported' AND score IS NULL AND seq <= ?",
            self._reader.until,
        )
        copies, restarts = self._reader.events(Replaced), self._reader.events(Restarted)
        return Lineage(self.config.population, self.completed, copies, failed, restarts=restarts)

    def members(self) -> list[MemberView]:
        """Return every member as it last reported."""
        counts = dict(
            self._reader.rows(
                "SELECT member, COUNT(*) FROM events WHERE kind = 'replaced' AND donor <> member AND seq <= ? GROUP BY member",
                self._reader.until,
            )
        )
        starts: dict[int, Started] = {}
        if not all(self.completed):
            starts = {event.member: event for event in self._reader.events(Started)}
        found = []
        for member, (interval, score, data) in enumerate(self._latest):
            if data is not None:
                hparams = msgspec.json.decode(data, type=Reported).hparams
            else:
                hparams = starts[member].hparams if member in starts else {}
            found.append(MemberView(member, interval or 0, score, hparams, int(counts.get(member, 0))))
        return found

    def reports(self, member: int | None = None) -> list[Reported]:
        """Return all reports, or one member's, in the order in which they arrived."""
        return self._reader.events(Reported, member=member)

    def top(self, count: int) -> list[dict[str, Value]]:
        """Return the hyperparameters of the best intervals by selection score, best first, no two of them alike.

        They can begin another study: `PBT(initial=Study.open("runs/random").top(4))`.

        Args:
            count: how many at most, >= 1.
        """
        order = "DESC" if self.config.mode == "max" else "ASC"
        rows = self._reader.rows(
            f"SELECT data FROM events WHERE kind = 'reported' AND score IS NOT NULL AND seq <= ? ORDER BY score {order}, seq",
            self._reader.until,
        )
        found: list[dict[str, Value]] = []
        for (data,) in rows:
            hparams = dict(msgspec.json.decode(data, type=Reported).hparams)
            if hparams not in found:
                found.append(hparams)
            if len(found) >= count:
                break
        return found

    @cached_property
    def record(self) -> Record:
        """All reports as arrays of shape (members, intervals)."""
        with self._reader.open() as journal:
            reports = reports_of(journal, self._reader.until)
            return record_of(reports, self.config.population, self.config.mode, self.space)

    @cached_property
    def ancestors_alive(self) -> npt.NDArray[np.int64]:
        """(intervals,) how many beginnings the weights trained in each interval descend from; a restart is a beginning."""
        return ancestors_alive(self.record, self.lineage)

    def diagnoses(self) -> list[Diagnosis]:
        """Return what looks wrong with the study, each with a remedy, the most pressing first."""
        return diagnose(self)

    def happenings(self, *kinds: type[Any], latest: int = -1) -> list[tuple[float, Any]]:
        """Return (seconds since 1970, event) of the events of some kinds, in their order; see `poptrain.core.events`.

        Args:
            kinds: classes of events.
            latest: how many at most, the latest ones; -1 is all.
        """
        first = self._reader.rows(
            f"SELECT MIN(seq) FROM (SELECT seq FROM events WHERE kind IN ({', '.join('?' * len(kinds))}) AND seq <= ? "
            "ORDER BY seq DESC LIMIT ?)",
            *(kind.kind for kind in kinds),
            self._reader.until,
            latest,
        )[0][0]
        with self._reader.open() as journal:
            events = journal.events(kinds=kinds, after=0 if first is None else first - 1)
            return [(at, event) for seq, at, event in events if seq <= self._reader.until]

    @property
    def plot(self) -> Plots:
        """Its plots, as in `study.plot.lineage()`; they need the extra `report`."""
        return Plots(self)

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame with one row for each report.

        Columns: member, interval, steps (member-steps trained), selection_score, metric.NAME, hparam.NAME, worker, began and
        ended (seconds since 1970).

        Raises:
            MissingExtra: pandas is not installed.
        """
        return frame_of(self.reports(), self.config.interval_steps)

    # Whether it is what it says.

    def digest(self) -> str:
        """Return a SHA-256 over every selection score, hyperparameter, copy, restart and final state.

        It depends on nothing else, in particular not on time, workers, or the order in which members arrived: two synchronous
        studies with the same seed and code have the same digest, whatever trained them, however often they stopped.
        """
        return digest_of(self._reader, max(self.completed, default=0))

    def verify(self) -> int:
        """Check the journal's structure and every checkpoint against its hashes; return the number of checkpoints.

        Raises:
            StudyLocked: the study is running, so checkpoints come and go.
            StoreError: the journal is damaged.
            CheckpointError: a checkpoint is missing, torn or altered; the message names the file.
        """
        if self._locked:
            raise StudyLocked(f"{self.directory} is being run by {self._directory.owner()}: verify it when it rests")
        store = CheckpointStore(self._directory.checkpoints)
        refs = set(self._reader.commit.refs)
        with self._reader.open() as journal:
            journal.check()
            for ref in sorted(refs):
                digest = store.verify(ref).digest
                if digest != saved_digest(journal, ref):
                    raise CheckpointError(f"the checkpoint {store.path(ref)} was exchanged: the journal knows another SHA-256")
        return len(refs)

    # How it is read.

    @cached_property
    def _ending(self) -> Finished | Paused | Resumed | None:
        found: Finished | Paused | Resumed | None = self._reader.last_of(Finished, Paused, Resumed)
        return found

    @cached_property
    def _latest(self) -> list[tuple[int | None, float | None, str | None]]:
        return self._reader.latest(self.config.population)

    def _trained(self, origins: Iterable[Origin]) -> Iterable[Reported]:
        """Yield the reports of all intervals along a line of weights in which something was trained."""
        sql = (
            "SELECT data FROM events INDEXED BY events_by_member WHERE member = ? AND kind = 'reported' "
            "AND interval BETWEEN ? AND ? ORDER BY interval"
        )
        with self._reader.open() as journal:
            for origin in origins:
                for (data,) in journal.query(sql, (origin.member, origin.first, origin.last)):
                    report = msgspec.json.decode(data, type=Reported)
                    if report.metrics:  # an interval that could not be trained has none, not even the selection metric
                        yield report
