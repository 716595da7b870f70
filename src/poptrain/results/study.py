"""A study, for reading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra, StoreError
from poptrain.core.events import Failed, Finished, HeldOut, Paused, Replaced, Reported, Resumed, Started
from poptrain.core.values import Hparams, Value
from poptrain.results.lineage import Lineage
from poptrain.results.schedule import Schedule, spans_of
from poptrain.store.checkpoints import CheckpointStore, Ref
from poptrain.store.config import StudyConfig
from poptrain.store.directory import StudyDirectory
from poptrain.store.journal import Journal

__all__ = ["BestMember", "MemberView", "Study"]


@dataclass(frozen=True, slots=True)
class BestMember:
    """The best checkpoint by selection score.

    Args:
        member: who trained it.
        interval: intervals it had completed.
        score: its selection score. It is the highest of many, so it flatters: judge a model by held-out data.
        hparams: hyperparameters of its last interval.
        path: its tensor file.
        checkpoints: where it is kept.
    """

    member: int
    interval: int
    score: float
    hparams: Hparams
    path: Path
    checkpoints: CheckpointStore

    def load(self) -> Any:
        """Return its state, checked against its hash.

        Raises:
            CheckpointError: a file is missing, torn or altered.
        """
        return self.checkpoints.load(Ref(self.member, self.interval))


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as it last reported.

    Args:
        member: its number.
        interval: intervals completed.
        score: selection score of the last one; None where it failed or there is none.
        hparams: hyperparameters of the last one, or the first ones.
        copies: times it has copied another one's weights.
    """

    member: int
    interval: int
    score: float | None
    hparams: Hparams
    copies: int


class Study:
    """A study's results, read from its folder; never writes, and may be used while the study runs.

    What was read is remembered: open the study anew to see what has happened since.
    """

    def __init__(self, directory: StudyDirectory) -> None:
        self._directory = directory

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """Open the study in a folder.

        Raises:
            StoreError: there is none, or its journal cannot be read.
        """
        folder = StudyDirectory(directory)
        if not folder.exists():
            raise StoreError(f"there is no study in {directory}: name a folder that holds study.sqlite")
        study = cls(folder)
        _ = study.config
        return study

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.status}, {self.directory})"

    @property
    def directory(self) -> Path:
        """The study's folder."""
        return self._directory.path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.config.name

    @cached_property
    def config(self) -> StudyConfig:
        """The study's settings."""
        journal = self._journal()
        try:
            return StudyConfig.decode(journal.config)
        finally:
            journal.close()

    @property
    def status(self) -> str:
        """One of: running, finished, paused (stopped in an orderly way), interrupted (killed, or broken by an error)."""
        if self._directory.locked():
            return "running"
        last = self._query(
            "SELECT kind FROM events WHERE kind IN (?, ?, ?) ORDER BY seq DESC LIMIT 1",
            (Finished.kind, Paused.kind, Resumed.kind),
        )
        kind = last[0][0] if last else ""
        return {Finished.kind: "finished", Paused.kind: "paused"}.get(kind, "interrupted")

    @property
    def because(self) -> str:
        """Why the study finished or paused; empty while it has not."""
        events = self._events(Finished, Paused, Resumed)
        last = events[-1] if events else None
        return last.because if isinstance(last, (Finished, Paused)) else ""

    @cached_property
    def completed(self) -> tuple[int, ...]:
        """Intervals completed by each member."""
        rows = dict(self._query("SELECT member, MAX(interval) FROM events WHERE kind = 'reported' GROUP BY member"))
        return tuple(int(rows.get(member, 0)) for member in range(self.config.population))

    @property
    def intervals_left(self) -> int:
        """Member-intervals that are still to be trained."""
        return sum(max(0, self.config.intervals - done) for done in self.completed)

    @property
    def steps(self) -> int:
        """Member-steps charged to the budget so far; failed intervals count."""
        return sum(self.completed) * self.config.interval_steps

    @property
    def copies(self) -> int:
        """Number of times that a member took over another one's weights or hyperparameters."""
        return int(self._query("SELECT COUNT(*) FROM events WHERE kind = 'replaced' AND donor <> member")[0][0])

    @cached_property
    def failures(self) -> tuple[Failed, ...]:
        """Everything that went wrong with members."""
        return tuple(self._events(Failed))

    @cached_property
    def scored(self) -> bool:
        """Whether any interval has a score, and so there is a best checkpoint."""
        return bool(self._query("SELECT 1 FROM events WHERE kind = 'reported' AND score IS NOT NULL LIMIT 1"))

    @cached_property
    def best(self) -> BestMember:
        """The best checkpoint by selection score; the earliest among equal ones.

        Raises:
            StoreError: there is no score yet, or none was finite.
        """
        order = "DESC" if self.config.mode == "max" else "ASC"
        rows = self._query(
            "SELECT member, interval, score, data FROM events INDEXED BY events_by_kind "
            f"WHERE kind = 'reported' AND score IS NOT NULL ORDER BY score {order}, seq LIMIT 1"
        )
        if not rows:
            raise StoreError(f"{self.directory} has no score yet: no interval was completed, or every one of them failed")
        member, interval, score, data = rows[0]
        store = CheckpointStore(self._directory.checkpoints)
        hparams = json.loads(data)["hparams"]
        return BestMember(member, interval, score, hparams, store.path(Ref(member, interval)), store)

    @cached_property
    def held_out(self) -> HeldOut | None:
        """Scores of the best checkpoint on data that no selection saw; None where they were not measured."""
        found = self._events(HeldOut)
        return found[-1] if found else None

    @cached_property
    def lineage(self) -> Lineage:
        """Who copied whom."""
        return Lineage(self.config.population, self.completed, self._events(Replaced))

    @cached_property
    def schedule(self) -> Schedule:
        """The hyperparameters along the line of weights that led to the best checkpoint."""
        if not self.scored:
            return Schedule([])
        origins = self.lineage.ancestry(self.best.member, self.best.interval)
        wanted = {o.member for o in origins}
        hparams = {(r.member, r.interval): r.hparams for m in wanted for r in self.reports(m)}
        return spans_of([(o.member, o.first, o.last) for o in origins], hparams, self.config.interval_steps)

    def reports(self, member: int | None = None) -> list[Reported]:
        """Return all reports, or one member's, in their order."""
        return self._events(Reported, member=member)

    def members(self) -> list[MemberView]:
        """Return every member as it last reported."""
        rows = self._query(
            "SELECT e.member, e.interval, e.score, e.data FROM events e JOIN (SELECT member, MAX(interval) AS last FROM events "
            "WHERE kind = 'reported' GROUP BY member) l ON e.member = l.member AND e.interval = l.last "
            "WHERE e.kind = 'reported'"
        )
        latest = {row[0]: row for row in rows}
        starts: dict[int, Started] = {}
        if len(latest) < self.config.population:
            starts = {event.member: event for event in self._events(Started)}
        counts = dict(self._query("SELECT member, COUNT(*) FROM events WHERE kind = 'replaced' GROUP BY member"))
        found = []
        for member in range(self.config.population):
            copies = int(counts.get(member, 0))
            if member in latest:
                _, interval, score, data = latest[member]
                found.append(MemberView(member, interval, score, json.loads(data)["hparams"], copies))
            else:
                start = starts.get(member)
                found.append(MemberView(member, 0, None, {} if start is None else start.hparams, copies))
        return found

    def to_pandas(self) -> Any:
        """Return one row for each report: member, interval, steps, score, metrics and hyperparameters.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtra("a table of the study", "pandas") from None
        return pandas.DataFrame([self._record(report) for report in self.reports()])

    def _record(self, report: Reported) -> dict[str, Value]:
        return {
            "member": report.member,
            "interval": report.interval,
            "steps": report.interval * self.config.interval_steps,
            "selection_score": report.score,
            **{f"metric.{name}": value for name, value in report.metrics.items()},
            **{f"hparam.{name}": value for name, value in report.hparams.items()},
            "worker": report.worker,
            "began": report.began,
            "ended": report.ended,
        }

    def digest(self) -> str:
        """Return a SHA-256 over every score, hyperparameter, copy and final state.

        It depends on nothing else: two synchronous studies with the same seed and code have the same digest, whatever
        trained them, however often they stopped.
        """
        sha = hashlib.sha256()
        rows: list[Any] = [
            (r.interval, 0, r.member, r.score, sorted(r.hparams.items()), sorted(r.metrics.items())) for r in self.reports()
        ]
        rows += [
            (c.interval, 1, c.member, c.donor, c.donor_interval, c.weights, sorted(c.hparams.items()))
            for c in self.lineage.copies
        ]
        for row in sorted(rows, key=lambda r: r[:3]):
            sha.update(json.dumps(row).encode() + b"\n")
        store = CheckpointStore(self._directory.checkpoints)
        for ref in sorted(store.sealed()):
            sha.update(f"{ref.name} {store.manifest(ref).digest}\n".encode())
        return sha.hexdigest()

    def verify(self) -> int:
        """Check the journal's structure and every checkpoint's hash; return the number of checkpoints.

        Raises:
            StoreError: the journal is damaged.
            CheckpointError: a checkpoint is missing, torn or altered; the message names the file.
        """
        journal = self._journal()
        try:
            journal.check()
            latest = journal.latest_snapshot()
        finally:
            journal.close()
        needed = json.loads(latest[1])["refs"] if latest else []
        store = CheckpointStore(self._directory.checkpoints)
        refs = {Ref(ref["member"], ref["interval"]) for ref in needed} | store.sealed()
        for ref in sorted(refs):
            store.verify(ref)
        return len(refs)

    def _journal(self) -> Journal:
        return Journal.read_only(self._directory.journal)

    def _query(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        journal = self._journal()
        try:
            return journal.query(sql, values)
        finally:
            journal.close()

    def _events(self, *kinds: type[Any], member: int | None = None) -> list[Any]:
        journal = self._journal()
        try:
            return [event for _, _, event in journal.events(kinds=kinds, member=member)]
        finally:
            journal.close()
