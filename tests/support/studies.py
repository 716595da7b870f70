"""Small studies for the engine's tests, and what must be equal between two runs of one."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np

import poptrain as pt
from poptrain.core.events import Replaced, Reported, Restarted
from poptrain.results import Study
from poptrain.store.journal import Journal

SPACE = {"pace": pt.Float(0.01, 1.0, log=True), "noise": pt.Float(0.0, 0.5)}


class Climber:
    """A registered object: a noisy climb with enough state to show every mistake in moving it."""

    def __init__(self) -> None:
        self.position = np.array([random.random(), np.random.random(), 0.0])
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position, self.steps = state["position"].copy(), state["steps"]


def climb(member: pt.Member) -> None:
    climber = Climber()
    member.register(climber=climber)
    for interval in member.intervals():
        pace, noise = float(member["pace"]), float(member["noise"])  # type: ignore[arg-type]
        for _ in range(interval.steps):
            drift = np.array([random.random(), np.random.random(), 1.0])
            climber.position = climber.position + pace * (drift - noise)
            climber.steps += 1
        member.report(height=float(climber.position.sum()), steps=climber.steps)


def slow_climb(member: pt.Member) -> None:
    """The same, slow enough to be killed in the middle."""
    climber = Climber()
    member.register(climber=climber)
    for interval in member.intervals():
        pace, noise = float(member["pace"]), float(member["noise"])  # type: ignore[arg-type]
        for _ in range(interval.steps):
            time.sleep(0.01)
            drift = np.array([random.random(), np.random.random(), 1.0])
            climber.position = climber.position + pace * (drift - noise)
            climber.steps += 1
        member.report(height=float(climber.position.sum()), steps=climber.steps)


OPTIONS: dict[str, Any] = {
    "metric": "height",
    "population": 6,
    "intervals": 5,
    "interval_steps": 3,
    "algorithm": pt.PBT(exploit=pt.exploit.truncation(0.34)),
    "executor": "inline",
    "seed": 3,
    "preflight": False,
}


def run(directory: Path, train: Any = climb, **changes: Any) -> Study:
    return pt.tune(train, SPACE, directory=directory, **{**OPTIONS, **changes})


def history(directory: Path) -> list[Any]:
    """Return every report, copy and restart, in the order of (interval, member), without anything that depends on time."""
    journal = Journal.read_only(directory / "study.sqlite")
    found: list[Any] = []
    for _, _, event in journal.events():
        if isinstance(event, Reported):
            found.append((event.interval, 0, event.member, event.score, dict(event.hparams), event.metrics))
        elif isinstance(event, Replaced):
            edge = (event.donor, event.donor_interval, event.weights, event.because)
            found.append((event.interval, 1, event.member, edge, dict(event.hparams)))
        elif isinstance(event, Restarted):
            found.append((event.interval, 2, event.member, event.because, dict(event.hparams)))
    journal.close()
    return sorted(found, key=lambda row: row[:3])
