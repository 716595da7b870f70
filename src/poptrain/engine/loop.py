"""The loop: asks members to train, tells the algorithm what came out, and carries out what it decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from poptrain.core.decisions import Decision, Replace, Restart, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.events import Failed, Finished, Paused, Replaced, Reported, Restarted
from poptrain.core.report import fitness_of
from poptrain.core.rng import Keys
from poptrain.engine.failures import failure_of, refusal_of
from poptrain.engine.keeping import Keeper
from poptrain.engine.plan import Plan
from poptrain.engine.population import Best, Course, Row
from poptrain.engine.progress import Observer, progress_of
from poptrain.engine.saving import Description
from poptrain.engine.signals import Interrupts
from poptrain.executors.base import Copy, Executor
from poptrain.space import Space
from poptrain.store.checkpoints import CheckpointStore, Ref
from poptrain.store.journal import Journal
from poptrain.strategies.base import Algorithm, Context
from poptrain.trainable.work import Broke, Done, Lost, Order, Outcome, Saved, SaveFailed

__all__ = ["Ending", "Engine"]

_RETRIES = 2
"""Times that an interval is tried again after its worker was lost."""

_WORD = 0xFFFFFFFFFFFFFFFF
"""Seeds travel to workers as unsigned 64-bit integers."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: finished (nothing left to do) or paused (it can be resumed), and why."""

    status: Literal["finished", "paused"]
    because: str


class Engine:
    """Runs one study until it is finished, paused or broken.

    The executor must have been started; it is not closed here.

    Args:
        plan: settings of the study.
        space: the search space.
        algorithm: chooses hyperparameters.
        executor: trains members.
        journal: keeps events.
        checkpoints: keeps states.
        observer: told of progress after every decision.
    """

    def __init__(
        self,
        plan: Plan,
        space: Space,
        algorithm: Algorithm[Any],
        executor: Executor,
        *,
        journal: Journal,
        checkpoints: CheckpointStore,
        observer: Observer | None = None,
    ) -> None:
        self._plan = plan
        self._algorithm = algorithm
        self._executor = executor
        self._observer = observer
        self._context = Context(Keys(plan.seed), space, plan.population, plan.intervals)
        self._course = Course()
        self._keeper = Keeper(plan, self._course, executor, journal, checkpoints)
        self._saver = self._keeper.saver
        self._ending = ""  # why this run takes no more orders
        self._losses: dict[tuple[int, int], int] = {}
        self._round_began = 0.0

    def run(self, interrupts: Interrupts | None = None) -> Ending:
        """Train until nothing is left to do, or until interrupted.

        Raises:
            TrainingFailed: the user's code raised; everything committed is kept.
            PoptrainError: a check of the user's code failed (the exception's own class), or the store did.
        """
        interrupts = interrupts or Interrupts()
        try:
            self._keeper.open(self._algorithm, self._context, self._handle)
            self._round_began = self._executor.clock.monotonic()
            self._note_ending(interrupts)
            self._dispatch()
            while True:
                while self._unfinished(interrupts):
                    self._turn()
                ending = self._end(paused=interrupts.requested)
                if ending is not None:
                    return ending
        finally:
            self._saver.close()

    def _turn(self) -> None:
        """Wait for something to happen, decide what is due, and keep it."""
        decided = False
        for outcome in self._executor.poll(self._keeper.patience()):
            self._handle(outcome)
            if not self._plan.synchronous:
                # One at a time: a donor must be in the state that the algorithm judges it by.
                decided |= self._decide()
        decided |= self._decide()
        if decided or self._saver.busy or self._keeper.due():
            self._keeper.keep(self._handle)
        if decided:
            self._dispatch()

    # Orders.

    def _dispatch(self) -> None:
        """Order an interval for every member that is ready for one."""
        if self._ending or self._course.over:
            return
        for row in self._course.rows:
            if row.running or row.told < row.interval or row.interval >= self._plan.intervals:
                continue
            if self._losses.get((row.member, row.interval), 0) > _RETRIES:
                self._fail(row, "lost", f"its worker was lost {_RETRIES + 1} times in this interval")
                continue
            self._course.begin(row)
            self._executor.advance(self._order(row))

    def _order(self, row: Row) -> Order:
        keys, steps = self._context.keys, self._plan.interval_steps
        save_to = self._keeper.path(Ref(row.member, row.interval + 1)) if self._saves_at_once(row) else ""
        return Order(
            member=row.member,
            interval=row.interval,
            steps=steps,
            start=row.interval * steps,
            hparams=row.hparams,
            seed=keys.integer("train", row.member, row.interval) & _WORD,
            init_seed=keys.integer("init", row.member, row.born or -1) & _WORD,
            epoch=self._course.epoch,
            save_to=save_to,
        )

    def _saves_at_once(self, row: Row) -> bool:
        """Whether a member's state is written as soon as its interval ends, without a question in between."""
        if not self._plan.synchronous and not self._executor.stable:
            return True  # it must be able to donate while it trains on
        return self._plan.durability == 0 or row.seconds >= self._plan.durability

    # Outcomes.

    def _handle(self, outcome: Outcome) -> None:
        match outcome:
            case Done():
                self._done(outcome)
            case Broke():
                self._broke(outcome)
            case Saved():
                self._saver.note_written(Ref.of(outcome.path))
            case SaveFailed():
                raise refusal_of(outcome)
            case Lost():
                self._lost(outcome)

    def _done(self, done: Done) -> None:
        row = self._course.rows[done.member]
        if done.epoch != self._course.epoch or not row.running:
            return
        self._course.rest(row)
        row.interval = done.interval
        row.state = Ref(row.member, row.interval)
        row.seconds = max(0.0, done.ended - done.began)
        value = done.metrics[self._plan.metric]
        fitness = fitness_of(value, self._plan.mode)
        failed = math.isnan(fitness)
        row.fitness = None if failed else fitness
        row.metrics = {name: number if math.isfinite(number) else None for name, number in done.metrics.items()}
        if done.saved >= 0:
            self._saver.note_written(row.state)
        self._saver.describe(row.state, Description(None if failed else value, row.hparams))
        if failed:
            self._note_failure(row, "diverged", f"{self._plan.metric} is {value}", done.worker)
        self._saver.add(
            Reported(
                member=row.member,
                interval=row.interval,
                score=None if failed else value,
                metrics=row.metrics,
                hparams=row.hparams,
                steps=self._plan.interval_steps,
                began=done.began,
                ended=done.ended,
                evaluate_seconds=done.evaluate_seconds,
                worker=done.worker,
            )
        )

    def _note_failure(self, row: Row, reason: str, detail: str, worker: int = 0) -> None:
        self._course.failures += 1
        self._saver.add(Failed(member=row.member, interval=row.interval, reason=reason, detail=detail, worker=worker))

    def _fail(self, row: Row, reason: str, detail: str) -> None:
        """Count an interval that cannot be trained as failed: worst rank, and no other state than it has."""
        self._course.rest(row)
        row.interval += 1
        row.fitness, row.metrics = None, {}
        self._note_failure(row, reason, detail)
        self._saver.add(
            Reported(
                member=row.member,
                interval=row.interval,
                score=None,
                metrics={},
                hparams=row.hparams,
                steps=self._plan.interval_steps,
            )
        )

    def _broke(self, broke: Broke) -> None:
        if broke.epoch not in (self._course.epoch, -1):
            return
        if self._plan.on_error == "stop" or broke.epoch < 0 or broke.contract:
            raise failure_of(broke)
        row = self._course.rows[broke.member]
        # Its state was in the body that broke. Whether a file holds it too depends on time, and results must not.
        row.state = None
        self._executor.replace([self._keeper.source(row)])
        self._fail(row, "error", broke.message)

    def _lost(self, lost: Lost) -> None:
        """Let members of a lost worker go on from their files; go back to the last commit where there is none."""
        rows = [self._course.rows[member] for member in lost.members]
        awaited = any(Ref.of(path) in self._saver.requested for path in lost.files)
        unwritten = any(row.state is not None and row.state not in self._saver.written for row in rows)
        # A kept state may have been on its way to the disk while its member had left it already.
        held = {row.state for row in self._course.rows if row.member not in lost.members}
        if awaited or unwritten or any(r not in self._saver.written and r not in held for r in self._course.needed()):
            self._keeper.go_back(self._algorithm)
        else:
            self._executor.replace([self._keeper.source(row) for row in rows])
        for member in {*lost.members, lost.running} - {-1}:
            self._course.rest(self._course.rows[member])
        if lost.running >= 0:
            key = (lost.running, lost.interval)
            for one in {key, *lost.together}:
                self._losses[one] = self._losses.get(one, 0) + 1
            again = "; tried again" if self._losses[key] <= _RETRIES else ""
            row = self._course.rows[lost.running]
            self._note_failure(row, lost.reason, f"interval {lost.interval + 1}: {lost.detail}{again}", lost.worker)
        self._dispatch()

    # Decisions.

    def _decide(self) -> bool:
        """Tell the algorithm of every report that is due and carry out its decisions; return whether there was any."""
        if self._plan.synchronous and self._course.running:
            return False
        ready = [row for row in self._course.rows if not row.running and row.told < row.interval]
        if not self._plan.synchronous:
            for row in ready:
                self._tell([row])
            return bool(ready)
        behind = sum(row.interval < self._plan.intervals and row.told == row.interval for row in self._course.rows)
        if not ready or behind:
            return False  # a run that ends in the middle of a round decides nothing
        now = self._executor.clock.monotonic()
        self._keeper.round_seconds, self._round_began = now - self._round_began, now
        self._tell(ready)
        return True

    def _tell(self, rows: Sequence[Row]) -> None:
        course = self._course
        reports = [row.report() for row in rows]
        course.algorithm, decisions = self._algorithm.tell(self._context, course.algorithm, reports)
        for row in rows:
            row.told, row.metrics = row.interval, {}
        self._find_best(rows)
        kept = {Ref(*key) for key in self._algorithm.keeps(course.algorithm)}
        self._keeper.hold(kept - course.kept)
        course.kept |= kept  # what is let go of now may be copied for the last time
        self._carry_out(decisions)
        course.kept = kept
        if self._observer is not None:
            seconds = self._keeper.seconds()
            self._observer(progress_of(self._plan, course, seconds))

    def _find_best(self, rows: Sequence[Row]) -> None:
        before = best = self._course.best
        for row in rows:
            if row.fitness is not None and row.state is not None and (best is None or row.fitness > best.fitness):
                best = Best(row.state, row.fitness, row.hparams)
        if best is not None and best is not before:
            self._course.best = best
            self._keeper.save(best.ref)

    def _carry_out(self, decisions: Sequence[Decision]) -> None:
        states = [row.state for row in self._course.rows]  # as they are before the first copy
        copies: list[Copy] = []
        for decision in decisions:
            if isinstance(decision, Stop):
                self._course.over = decision.because
            elif isinstance(decision, Replace):
                copies += self._replace(decision, states)
            elif isinstance(decision, Restart):
                copies.append(self._restart(decision))
        if copies:
            self._executor.replace(copies)

    def _replace(self, decision: Replace, states: Sequence[Ref | None]) -> list[Copy]:
        row = self._course.rows[decision.member]
        source = self._source_of(decision, states) if decision.weights else None
        moves = source is not None and (decision.donor != decision.member or source != row.state)
        if decision.donor != decision.member:
            self._course.copies += 1
        self._saver.add(
            Replaced(
                member=row.member,
                interval=row.interval,
                # After a copy a member's state still bears the name of the one who trained it.
                donor=source.member if moves and source is not None else decision.donor,
                donor_interval=source.interval if moves and source is not None else decision.donor_interval,
                hparams=dict(decision.hparams),
                weights=moves,
                because=decision.because,
            )
        )
        row.hparams = dict(decision.hparams)
        if not moves or source is None:
            return []
        row.state = source
        # A donor that trains on, or has copied since, has left the state that it published; its file has not.
        at_rest = source == states[decision.donor] and (self._plan.synchronous or self._executor.stable)
        return [Copy(row.member, decision.donor if at_rest else None, self._keeper.path(source))]

    def _source_of(self, decision: Replace, states: Sequence[Ref | None]) -> Ref | None:
        """Return the state that a decision copies: one that is kept, or the donor's as it is now.

        Raises:
            ConfigError: it is an earlier one that was not kept.
        """
        named = Ref(decision.donor, decision.donor_interval)
        if named in self._course.kept:
            return named
        told = self._course.rows[decision.donor].told
        if named.interval < told:
            raise ConfigError(
                f"a copy of an earlier state needs it kept, got member {named.member} after interval {named.interval}, which "
                f"has reported {told}: name ({named.member}, {named.interval}) in the algorithm's keeps(state) from then on"
            )
        return states[decision.donor]

    def _restart(self, decision: Restart) -> Copy:
        row = self._course.rows[decision.member]
        hparams = dict(decision.hparams)
        self._saver.add(Restarted(member=row.member, interval=row.interval, hparams=hparams, because=decision.because))
        row.hparams, row.state, row.born = hparams, None, row.interval
        return Copy(row.member)

    # Ending.

    def _note_ending(self, interrupts: Interrupts) -> None:
        limit = self._plan.max_seconds
        if interrupts.requested:
            self._ending = "interrupted"
        elif limit is not None and self._keeper.seconds() >= limit:
            self._ending = f"the budget of {limit:g} seconds is spent"

    def _unfinished(self, interrupts: Interrupts) -> bool:
        self._note_ending(interrupts)
        if self._course.running:
            return True
        if self._ending or self._course.over:
            return False
        return any(row.interval < self._plan.intervals or row.told < row.interval for row in self._course.rows)

    def _end(self, *, paused: bool) -> Ending | None:
        """Commit how the run ended; None if a worker was lost meanwhile, with states that have to be trained again."""
        epoch = self._course.epoch
        done = all(row.interval >= self._plan.intervals for row in self._course.rows)
        if paused and not done and not self._course.over:
            ending = Ending("paused", self._ending)
            self._saver.add(Paused(because=ending.because))
        else:
            reason = self._course.over or ("" if done else self._ending) or "every member has completed its intervals"
            ending = Ending("finished", reason)
            self._saver.add(Finished(because=ending.because))
        self._keeper.flush(self._handle)
        if self._course.epoch != epoch:
            return None
        self._saver.collect(self._course.needed())
        return ending
