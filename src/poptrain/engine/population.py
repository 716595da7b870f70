"""What the engine knows of each member, and the snapshot from which a study can go on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from poptrain.core.errors import StoreError
from poptrain.core.report import Mode, Report
from poptrain.core.values import Value
from poptrain.store.checkpoints import Ref

__all__ = ["Best", "Course", "Row", "Snapshot"]


@dataclass(slots=True)
class Row:
    """One member.

    Args:
        member: its number.
        hparams: hyperparameters of its next interval (of the last one while `told < interval`).
        interval: intervals completed.
        told: intervals that the algorithm has been told of.
        state: the state its next interval starts from; None for a new member. After a copy this names the donor's.
        fitness: oriented score of the last interval; None where it failed or there is none.
        running: whether an interval is under way.
        seconds: duration of its last interval; 0 where unknown.
        born: intervals it had completed when it last began anew; 0 for a member that never did.
        metrics: what its last interval reported, until the algorithm has been told; None where not finite.
    """

    member: int
    hparams: dict[str, Value]
    interval: int = 0
    told: int = 0
    state: Ref | None = None
    fitness: float | None = None
    running: bool = False
    seconds: float = 0.0
    born: int = 0
    metrics: dict[str, float | None] = field(default_factory=dict)

    def report(self) -> Report:
        """Return the report of the last interval."""
        fitness = math.nan if self.fitness is None else self.fitness
        return Report(self.member, self.interval, fitness, self.hparams, self.metrics)


@dataclass(frozen=True, slots=True)
class Best:
    """The best checkpoint so far, by selection score."""

    ref: Ref
    fitness: float
    hparams: dict[str, Value]

    def score(self, mode: Mode) -> float:
        """Return the selection score as it was reported."""
        return self.fitness if mode == "max" else -self.fitness


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is needed to go on from a commit, as JSON.

    Args:
        rows: the members.
        algorithm: the algorithm's state, encoded.
        best: the best checkpoint so far.
        seconds: seconds of training so far.
        over: why the algorithm ended the study; empty while it has not.
        epoch: times the study went back to a commit.
        refs: every checkpoint that the snapshot needs.
        copies: replacements so far.
        failures: failed intervals so far.
        kept: earlier states that the algorithm keeps.
    """

    rows: list[Row]
    algorithm: msgspec.Raw
    best: Best | None
    seconds: float
    over: str
    epoch: int
    refs: list[Ref] = field(default_factory=list)
    copies: int = 0
    failures: int = 0
    kept: list[Ref] = field(default_factory=list)


@dataclass(slots=True)
class Course:
    """Where a study is: changed by the engine, kept by the keeper.

    Args:
        rows: the members.
        algorithm: the algorithm's state.
        best: the best checkpoint so far.
        over: why the algorithm ended the study; empty while it has not.
        epoch: times the study went back to a commit; what was ordered in an earlier epoch is void.
        running: number of rows with an interval under way.
        seconds_before: seconds trained in earlier runs.
        copies: replacements so far.
        failures: failed intervals so far.
        kept: states that the algorithm keeps.
    """

    rows: list[Row] = field(default_factory=list)
    algorithm: Any = None
    best: Best | None = None
    over: str = ""
    epoch: int = 0
    running: int = 0
    seconds_before: float = 0.0
    copies: int = 0
    failures: int = 0
    kept: set[Ref] = field(default_factory=set)

    def begin(self, row: Row) -> None:
        """Note that a member's interval is under way."""
        row.running = True
        self.running += 1

    def rest(self, row: Row) -> None:
        """Note that it no longer is."""
        if row.running:
            row.running = False
            self.running -= 1

    def needed(self) -> set[Ref]:
        """Return the states that members start from, those that the algorithm keeps, and the best."""
        refs = self.kept | {row.state for row in self.rows if row.state is not None}
        return refs if self.best is None else refs | {self.best.ref}

    def holders(self, ref: Ref) -> Iterator[Row]:
        """Yield the members that are in a state, the one that reached it first."""
        for row in (self.rows[ref.member], *self.rows):
            if row.state == ref:
                yield row

    def encode(self, seconds: float) -> bytes:
        """Return a snapshot as JSON."""
        algorithm = msgspec.Raw(msgspec.json.encode(self.algorithm))
        refs = sorted(self.needed())
        counts = self.copies, self.failures
        snapshot = Snapshot(
            self.rows, algorithm, self.best, seconds, self.over, self.epoch, refs, *counts, kept=sorted(self.kept)
        )
        return msgspec.json.encode(snapshot)

    def decode(self, data: bytes, state_type: type[Any]) -> Snapshot:
        """Go back to a snapshot, in a new epoch, and return it; seconds stay as they are.

        Raises:
            StoreError: it is damaged, or another version's.
        """
        try:
            snapshot = msgspec.json.decode(data, type=Snapshot)
            algorithm = msgspec.json.decode(snapshot.algorithm, type=state_type)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(
                f"the journal's snapshot cannot be read ({error}): restore study.sqlite from a backup if it is damaged"
            ) from error
        for row in snapshot.rows:
            row.running = False
        self.rows, self.best, self.over = snapshot.rows, snapshot.best, snapshot.over
        self.copies, self.failures = snapshot.copies, snapshot.failures
        self.kept = set(snapshot.kept)
        self.algorithm = algorithm
        self.epoch = max(self.epoch, snapshot.epoch) + 1
        self.running = 0
        return snapshot
