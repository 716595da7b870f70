"""Journals without an engine: studies made of events that a test chooses, and random histories whose truth is known."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import poptrain as pt
from poptrain.core.events import Event, Failed, Finished, Paused, Replaced, Reported, Resumed, Saved, Started
from poptrain.core.values import Value
from poptrain.store.checkpoints import CheckpointStore, Ref
from poptrain.store.config import CodeReference, StudyConfig
from poptrain.store.directory import StudyDirectory
from poptrain.store.journal import Journal
from poptrain.store.tensorfile import write_state
from poptrain.strategies.codec import policy_to_json

SPACE = {"lr": pt.Float(1e-4, 1.0, log=True), "dropout": pt.Float(0.0, 0.5)}
STEPS = 10


class StudyWriter:
    """Writes a study's folder by hand; every method may be left out."""

    def __init__(self, folder: Path, *, population: int = 3, intervals: int = 4, mode: str = "max", **changes: Any) -> None:
        self.directory = StudyDirectory(folder)
        self.directory.create()
        self.store = CheckpointStore(self.directory.checkpoints)
        settings: dict[str, Any] = {
            "name": "made-up",
            "version": "0",
            "created": 0.0,
            "metric": "score",
            "mode": mode,
            "population": population,
            "intervals": intervals,
            "interval_steps": STEPS,
            "seed": 0,
            "synchronous": True,
            "durability": 1.0,
            "deadline": None,
            "max_seconds": None,
            "on_error": "stop",
            "space": pt.Space(SPACE).to_json(),
            "algorithm": policy_to_json(pt.PBT()),
            "executor": "processes",
            "workers": 2,
            "threads": 1,
            "bodies": None,
            "code": CodeReference(kind="none"),
        }
        self.config = StudyConfig(**{**settings, **changes})
        self.journal = Journal.create(self.directory.journal, self.config.encode())
        self.refs: list[Ref] = []
        self.best: tuple[Ref, Mapping[str, Value]] | None = None

    def add(self, *events: Event, at: float = 0.0) -> None:
        for event in events:
            self.journal.append(event, at)

    def report(self, member: int, interval: int, score: float | None, hparams: Mapping[str, Value], **more: Any) -> None:
        fields: dict[str, Any] = {"metrics": {"score": score}, "steps": STEPS, **more}
        self.add(Reported(member=member, interval=interval, score=score, hparams=dict(hparams), **fields))

    def save(self, member: int, interval: int, state: Any) -> Ref:
        ref = Ref(member, interval)
        write_state(self.store.path(ref), state)
        sealed = self.store.seal(ref, score=None, hparams={})
        self.add(Saved(member=member, interval=interval, digest=sealed.digest, nbytes=sealed.nbytes))
        self.refs.append(ref)
        return ref

    def commit(self, seconds: float = 0.0) -> None:
        best = None
        if self.best is not None:
            ref, hparams = self.best
            best = {"ref": {"member": ref.member, "interval": ref.interval}, "hparams": dict(hparams), "fitness": 0.0}
        refs = [{"member": ref.member, "interval": ref.interval} for ref in self.refs]
        snapshot = {"rows": [], "algorithm": {}, "best": best, "seconds": seconds, "over": "", "epoch": 1, "refs": refs}
        self.journal.commit(json.dumps(snapshot).encode())

    def finish(self) -> None:
        self.add(Finished(because="the end"))
        self.close()

    def pause(self) -> None:
        self.add(Paused(because="asked to"))
        self.close()

    def resume(self) -> None:
        self.add(Resumed())
        self.close()

    def close(self) -> None:
        self.commit()
        self.journal.close()


Step = tuple[int, int, tuple[tuple[str, Value], ...]]
"""Who trained, which of its intervals, with which hyperparameters: what a state is made of, in these histories."""


@dataclass
class History:
    """A random population's history. A member's state is the list of the steps that made it, so every lineage is known.

    Args:
        population: members.
        events: as an engine writes them.
        states: by (member, interval) that trained them, all that ever were.
        now: the state that each member holds.
    """

    population: int
    events: list[Event] = field(default_factory=list)
    states: dict[tuple[int, int], list[Step]] = field(default_factory=dict)
    now: list[tuple[int, int] | None] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)

    @property
    def copies(self) -> list[Replaced]:
        return [event for event in self.events if isinstance(event, Replaced)]

    @property
    def reports(self) -> list[Reported]:
        return [event for event in self.events if isinstance(event, Reported)]


def random_history(seed: int, *, population: int, turns: int, synchronous: bool) -> History:
    """Return a history with copies of weights, of hyperparameters alone, diverged and untrained intervals."""
    draw = random.Random(seed)
    made = History(population, now=[None] * population, completed=[0] * population)
    hparams: list[dict[str, Value]] = [{"lr": draw.random(), "dropout": 0.0} for _ in range(population)]
    made.events += [Started(member=m, hparams=h) for m, h in enumerate(hparams)]
    for _ in range(turns):
        turn = range(population) if synchronous else [draw.randrange(population)]
        for m in turn:
            _train(made, draw, m, hparams[m])
        before = list(made.now)  # in a synchronous round all decisions see the population before the first copy
        for m in turn:
            source = before[draw.randrange(population)]
            chance = draw.random()
            if source is not None and chance < 0.3:
                hparams[m] = {"lr": draw.random(), "dropout": 0.1}
                moves = chance < 0.2
                copied: dict[str, Any] = {
                    "donor": source[0],
                    "donor_interval": source[1],
                    "weights": moves,
                    "because": "chance",
                }
                made.events.append(Replaced(member=m, interval=made.completed[m], hparams=hparams[m], **copied))
                made.now[m] = source if moves else made.now[m]
    return made


def _train(made: History, draw: random.Random, m: int, hparams: dict[str, Value]) -> None:
    made.completed[m] += 1
    ref = (m, made.completed[m])
    common: dict[str, Any] = {"steps": STEPS, "hparams": hparams}
    fate = draw.random()
    if fate < 0.08:  # the worker was lost for good: nothing was trained, the state is the one before
        made.events.append(Failed(member=m, interval=ref[1], reason="lost", detail="gone"))
        made.events.append(Reported(member=m, interval=ref[1], score=None, metrics={}, **common))
        return
    before = made.now[m]
    made.states[ref] = [*(made.states[before] if before else []), (*ref, tuple(sorted(hparams.items())))]
    made.now[m] = ref
    score = None if fate < 0.16 else draw.random()
    made.events.append(Reported(member=m, interval=ref[1], score=score, metrics={"score": score}, **common))


def write(history: History, folder: Path, best: tuple[int, int]) -> None:
    """Write a history as a study whose best checkpoint is the given one."""
    writer = StudyWriter(folder, population=history.population, intervals=max(history.completed), synchronous=False)
    writer.add(*history.events)
    report = next(r for r in history.reports if (r.member, r.interval) == best)
    writer.best = (Ref(*best), report.hparams)
    writer.finish()


def small_study(
    folder: Path, *, scores: Sequence[float] = (0.1, 0.2, 0.3), arrival: Sequence[int] = (0, 1, 2), **more: Any
) -> Path:
    """Write a finished study of three members and two intervals, in which m0 copies m2 after the first one.

    Args:
        folder: of the study.
        scores: after the first interval; the second one adds 1.
        arrival: order in which members report.
        **more: fields of the reports that the digest does not depend on.
    """
    writer = StudyWriter(folder, population=3, intervals=2)
    start: list[dict[str, Value]] = [{"lr": 0.1 * (m + 1), "dropout": 0.0} for m in range(3)]
    copied: dict[str, Value] = {"lr": 0.36, "dropout": 0.0}
    writer.add(*(Started(member=m, hparams=start[m]) for m in range(3)))
    for m in arrival:
        writer.report(m, 1, scores[m], start[m], **more)
    edge: dict[str, Any] = {"donor": 2, "donor_interval": 1, "weights": True}
    writer.add(Replaced(member=0, interval=1, hparams=copied, because="worst", **edge))
    for m in arrival:
        writer.report(m, 2, scores[m] + 1 + (0.5 if m == 0 else 0.0), copied if m == 0 else start[m], **more)
    for m in range(3):
        writer.save(m, 2, {"weights": [float(m)]})
    winner = max(range(3), key=lambda m: scores[m] + (0.5 if m == 0 else 0.0))
    writer.best = (Ref(winner, 2), copied if winner == 0 else start[winner])
    writer.finish()
    return folder
