"""One run of a study: everything opened, the engine run, everything closed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from poptrain.core.errors import ConfigError
from poptrain.core.events import HeldOut
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.engine import Engine, Observer, Plan
from poptrain.engine.arrangement import arrange
from poptrain.engine.preflight import PreflightReport, preflight
from poptrain.engine.signals import Interrupts
from poptrain.executors import Executor, Inline, Job, Processes, Vectorised
from poptrain.results import Study
from poptrain.space import Space
from poptrain.store.checkpoints import CheckpointStore
from poptrain.store.config import StudyConfig
from poptrain.store.directory import StudyDirectory
from poptrain.store.journal import Journal
from poptrain.store.tensorfile import read_state, write_state
from poptrain.strategies import Algorithm, Context
from poptrain.strategies.codec import completed
from poptrain.trainable.bodies import BodySpec
from poptrain.trainable.contracts import UserCode
from poptrain.trainable.host import HostSpec

__all__ = ["HeldOutFunction", "Session", "make_executor"]

HeldOutFunction = Callable[[Any, Hparams], Any]
"""From a state and its hyperparameters to held-out metrics: a mapping, or an object with `metrics` and `notes`."""


def make_executor(kind: str | Executor, *, workers: int, threads: int) -> Executor:
    """Return the executor that a name stands for.

    Raises:
        ConfigError: there is no executor of that name.
    """
    if isinstance(kind, Executor):
        return kind
    if kind == "inline":
        return Inline(threads=threads)
    if kind == "processes":
        return Processes(workers=workers, threads=threads)
    if kind in ("vectorised", "auto"):
        return Vectorised(workers=workers, threads=threads)
    raise ConfigError(f"executor must be 'auto', 'processes', 'vectorised', 'inline' or an Executor, got {kind!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one run of a study needs beside its settings.

    Args:
        config: the settings as they will be, or are, in the journal.
        train: the training code.
        space: the search space.
        algorithm: chooses hyperparameters.
        executor: trains members; started and closed by `run`.
        directory: the study's folder.
        check: whether a new study begins with a preflight.
        held_out: scores the best state when the study is finished.
        observer: told of progress.
        on_preflight: told what the preflight found.
        interrupts: asks the study to pause; None for one that reacts to Ctrl-C.
    """

    config: StudyConfig
    train: UserCode
    space: Space
    algorithm: Algorithm[Any]
    executor: Executor
    directory: StudyDirectory
    check: bool = True
    held_out: HeldOutFunction | None = None
    observer: Observer | None = None
    on_preflight: Callable[[PreflightReport], None] | None = None
    interrupts: Interrupts | None = None

    def run(self) -> Study:
        """Train until finished or paused, and return the study for reading."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.directory.lock())
            journal = self._journal()
            stack.callback(journal.close)
            if not self._finished(journal):
                interrupts = stack.enter_context(self.interrupts or Interrupts())
                self._train(journal, interrupts)
            self._score_held_out(journal)
        return Study.open(self.directory.path)

    def _journal(self) -> Journal:
        path = self.directory.journal
        if not path.exists():
            return Journal.create(path, self.config.encode())
        journal = Journal.open(path)
        before = StudyConfig.decode(journal.config)
        before = replace(before, algorithm=completed(before.algorithm))
        before.check_same(self.config, str(self.directory.path))
        # What was measured once holds until somebody asks for something else.
        now = replace(self.config, created=before.created)
        if now.executor == "auto":
            now = replace(now, executor=before.executor, arrangement=before.arrangement)
        if before != now:
            journal.set_config(now.encode())
        return journal

    def _finished(self, journal: Journal) -> bool:
        """Whether there is nothing left to train."""
        latest = Study.open(self.directory.path)
        return latest.finished and latest.intervals_left == 0

    def _train(self, journal: Journal, interrupts: Interrupts) -> None:
        checkpoints = CheckpointStore(self.directory.checkpoints)
        done = False
        self.executor.start(self._job())
        try:
            arrangement = self._arrange(journal)
            if self.check and journal.latest_snapshot() is None:
                report = preflight(self.executor, self._plan(), self.space, self.algorithm, self.directory.checkpoints)
                self._tell(replace(report, arrangement=arrangement))
            engine = Engine(
                self._plan(),
                self.space,
                self.algorithm,
                self.executor,
                journal=journal,
                checkpoints=checkpoints,
                observer=self.observer,
            )
            engine.run(interrupts)
            done = True
        finally:
            self.executor.close(abandon=not done)

    def _tell(self, report: PreflightReport) -> None:
        if self.on_preflight is not None:
            self.on_preflight(report)
            return
        for remark in report.remarks:
            warnings.warn(remark, stacklevel=2)

    def _arrange(self, journal: Journal) -> str:
        """Settle how members train where that was left open: as the study did before, or the faster way. Say what was found."""
        if self.config.executor != "auto" or not isinstance(self.executor, Vectorised):
            return ""
        config = StudyConfig.decode(journal.config)
        if config.executor != "auto":
            self.executor.arrange(batched=config.executor == "vectorised")
            return ""
        plan = self._plan()
        _, starts = self.algorithm.init(Context(Keys(plan.seed), self.space, plan.population, plan.intervals))
        found = arrange(self.executor, plan, starts)
        chosen = "vectorised" if found.batched else "processes"
        journal.set_config(replace(config, executor=chosen, arrangement=str(found)).encode())
        return str(found)

    def _plan(self) -> Plan:
        return Plan.of(self.config)

    def _job(self) -> Job:
        space = self.space
        structural = (*space.structural, *(name for name in space if name not in space.tuned))  # constants are shared as well
        tuned = frozenset(space.tuned) - frozenset(structural)
        body = BodySpec(self.train, self.config.metric, tuned)
        host = HostSpec(body, structural, self.config.bodies, write_state, read_state, self.executor.block)
        return Job(host, self.config.population, Path(self.directory.logs), self.config.deadline)

    def _score_held_out(self, journal: Journal) -> None:
        """Score the best state of a finished study, unless that was done before."""
        study = Study.open(self.directory.path)
        if self.held_out is None or not study.finished or not study.scored:
            return
        best, before = study.best, study.held_out
        if before is not None and (before.member, before.interval) == (best.member, best.interval):
            return
        scored = self.held_out(best.load(), best.hparams)
        metrics = scored if isinstance(scored, Mapping) else scored.metrics
        notes = {} if isinstance(scored, Mapping) else scored.notes
        latest = journal.latest_snapshot()
        assert latest is not None
        event = HeldOut(
            member=best.member,
            interval=best.interval,
            metrics={name: float(value) for name, value in metrics.items()},
            notes=dict(notes),
        )
        journal.append(event, self.executor.clock.wall())
        journal.commit(latest[1])
