"""Keeping a study: when to commit, what must be saved for it, and how to go back to the last commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from poptrain.core.errors import ConfigError
from poptrain.core.events import Resumed, Started
from poptrain.engine.plan import Plan
from poptrain.engine.population import Course, Row, Snapshot
from poptrain.engine.saving import Description, Saver
from poptrain.executors.base import Copy, Executor
from poptrain.store.checkpoints import CheckpointStore, Ref
from poptrain.store.journal import Journal
from poptrain.strategies.base import Algorithm, Context
from poptrain.trainable.work import Outcome

__all__ = ["Keeper"]

_SHARE = 0.1
"""Most of the time in which a commit may be under way."""

_LONGEST = 60.0
"""Seconds that events wait at most, however long a commit takes."""

_GLANCE = 0.02
"""Seconds between looks at states that are on their way to the disk."""


class Keeper:
    """Brings the course of a study to disk and back.

    Args:
        plan: settings of the study.
        course: where the study is; shared with the engine.
        executor: saves states.
        journal: keeps events.
        checkpoints: keeps states.
    """

    def __init__(self, plan: Plan, course: Course, executor: Executor, journal: Journal, checkpoints: CheckpointStore) -> None:
        self._plan = plan
        self._course = course
        self._executor = executor
        self._journal = journal
        self._checkpoints = checkpoints
        self._clock = executor.clock
        self._began = self._clock.monotonic()
        self.saver = Saver(journal, checkpoints, self._clock)
        self.round_seconds = 0.0
        self._froze_at = 0.0
        self._commit_seconds = 0.0

    def seconds(self) -> float:
        """Return the seconds trained so far, earlier runs included."""
        return self._course.seconds_before + self._clock.monotonic() - self._began

    def patience(self) -> float:
        """Return how long to wait for outcomes before looking at what is on its way to the disk."""
        if self.saver.busy:
            return _GLANCE
        if self.saver.empty:
            return 1.0
        return min(1.0, max(_GLANCE, self._wait_seconds() - self.saver.age()))

    # Beginning, and going back.

    def open(self, algorithm: Algorithm[Any], context: Context, handle: Callable[[Outcome], None]) -> None:
        """Make the first commit of a new study, or go to the last one of an old study.

        Raises:
            CheckpointError: a state that the study needs is missing, torn or altered.
        """
        latest = self._journal.latest_snapshot()
        if latest is None:
            self._course.algorithm, starts = algorithm.init(context)
            self._course.rows = [Row(member, dict(hparams)) for member, hparams in enumerate(starts)]
            self._course.epoch += 1
            for row in self._course.rows:
                self.saver.add(Started(member=row.member, hparams=row.hparams))
            self.flush(handle)
            return
        snapshot = self._go_to(latest[1], algorithm)
        self._course.seconds_before = snapshot.seconds
        for ref in snapshot.refs:
            self._checkpoints.verify(ref)
        self._checkpoints.delete_except(set(snapshot.refs))
        self._reseat()
        self.saver.add(Resumed())

    def go_back(self, algorithm: Algorithm[Any]) -> None:
        """Return to the last commit: states that were never saved died with a worker."""
        self.saver.wait()
        self.saver.step()
        self.saver.drop()
        latest = self._journal.latest_snapshot()
        assert latest is not None, "the first commit precedes the first order"
        self._go_to(latest[1], algorithm)
        self._reseat()

    def source(self, row: Row) -> Copy:
        """Return the copy that gives a member its state from disk."""
        return Copy(row.member, None, "" if row.state is None else self.path(row.state))

    def path(self, ref: Ref) -> str:
        """Return the file of a state."""
        return str(self._checkpoints.path(ref))

    def _go_to(self, data: bytes, algorithm: Algorithm[Any]) -> Snapshot:
        course = self._course
        snapshot = course.decode(data, algorithm.state_type)
        best = snapshot.best
        described = {} if best is None else {best.ref: Description(best.score(self._plan.mode), best.hparams)}
        self.saver.adopt(snapshot.refs, described)
        return snapshot

    def _reseat(self) -> None:
        self._executor.replace([self.source(row) for row in self._course.rows])

    # Keeping.

    def save(self, ref: Ref) -> None:
        """Ask whoever holds a state to write it."""
        if not self.saver.on_file(ref):
            # One that trains would write the state that it comes to.
            holder = next(row for row in self._course.holders(ref) if not row.running or self._executor.stable)
            self.saver.requested.add(ref)
            self._executor.save(holder.member, self.path(ref))

    def hold(self, refs: Iterable[Ref]) -> None:
        """Ask for the files of states that the algorithm keeps from now on.

        Raises:
            ConfigError: nobody has such a state any more.
        """
        for ref in sorted(refs):
            if not self.saver.on_file(ref) and next(self._course.holders(ref), None) is None:
                raise ConfigError(
                    f"an algorithm can keep only states that somebody has, got member {ref.member} after interval "
                    f"{ref.interval}: name it in keeps(state) as soon as it is reported"
                )
            self.save(ref)

    def keep(self, handle: Callable[[Outcome], None]) -> None:
        """Begin a commit when one is due, carry on the one under way, and delete what nobody needs any more."""
        if not self.saver.busy and self.due() and self._can_freeze():
            self._freeze()
        busy = self.saver.busy
        self.saver.step()
        if busy and not self.saver.busy:
            self._commit_seconds = self._clock.monotonic() - self._froze_at
        self.saver.collect(self._course.needed())
        if self._plan.durability == 0:
            self.flush(handle)

    def due(self) -> bool:
        """Whether events have waited long enough, or would have by the next time that everybody is at rest."""
        if self.saver.empty:
            return False
        at_rest = self._plan.synchronous and not self._course.running
        return self.saver.age() + (self.round_seconds if at_rest else 0.0) >= self._wait_seconds()

    def _wait_seconds(self) -> float:
        """Return how long events may wait: as asked for, or longer where big states would take up the disk all the time."""
        if self._plan.durability == 0:
            return 0.0
        return max(self._plan.durability, min(_LONGEST, self._commit_seconds / _SHARE))

    def flush(self, handle: Callable[[Outcome], None]) -> None:
        """Wait until everything that can be committed is on disk; outcomes that come meanwhile go to `handle`."""
        while self.saver.busy or (not self.saver.empty and self._can_freeze()):
            if not self.saver.busy:
                self._freeze()
            self.saver.wait()
            if not self.saver.step():
                for outcome in self._executor.poll(_GLANCE / 10):
                    handle(outcome)

    def _can_freeze(self) -> bool:
        """Whether every state that a commit needs is on file, or held by a member at rest."""
        held = {row.state for row in self._course.rows if not row.running or self._executor.stable}
        return all(self.saver.on_file(ref) or ref in held for ref in self._course.needed())

    def _freeze(self) -> None:
        self._froze_at = self._clock.monotonic()
        needed = self._course.needed()
        for ref in sorted(needed):
            self.save(ref)
        self.saver.freeze(self._course.encode(self.seconds()), needed)
