"""Trains a study of `climb` again from its journal alone, and so finds every state that came from the wrong place."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from studies import OPTIONS, Climber

from poptrain.core.events import Replaced, Reported, Started
from poptrain.core.rng import Keys, seed_everything
from poptrain.core.values import Hparams
from poptrain.store.checkpoints import CheckpointStore
from poptrain.store.journal import Journal

__all__ = ["retrace"]

_WORD = 0xFFFFFFFFFFFFFFFF

Position = NDArray[np.float64]


def retrace(directory: Path) -> int:
    """Check every report, copy and checkpoint of a study; return how many reports there are.

    Each report must follow from the state that its member had by the journal's reports and copies, under the hyperparameters
    that the journal gave it, to the last bit.
    """
    positions: dict[tuple[int, int], Position] = {}
    now: dict[int, Position | None] = {}
    hparams: dict[int, Hparams] = {}
    completed: dict[int, int] = {}
    journal = Journal.read_only(directory / "study.sqlite")
    for _, _, event in journal.events():
        if isinstance(event, Started):
            now[event.member], hparams[event.member], completed[event.member] = None, event.hparams, 0
        elif isinstance(event, Replaced):
            hparams[event.member] = event.hparams
            if event.weights:
                now[event.member] = positions[event.donor, event.donor_interval]
        elif isinstance(event, Reported):
            completed[event.member] += 1
            assert event.interval == completed[event.member]
            assert event.hparams == hparams[event.member]
            if event.metrics:  # else its workers were lost
                trained = _train(now[event.member], event)
                assert event.metrics["height"] == float(trained.sum())
                now[event.member] = positions[event.member, event.interval] = trained
    journal.close()
    store = CheckpointStore(directory / "checkpoints")
    for ref in store.sealed():
        state = store.load(ref)["objects"]["climber"]
        assert np.array_equal(state["position"], positions[ref.member, ref.interval])
    return sum(completed.values())


def _train(position: Position | None, report: Reported) -> Position:
    keys = Keys(OPTIONS["seed"])
    if position is None:
        seed_everything(keys.integer("init", report.member) & _WORD)
        position = Climber().position
    seed_everything(keys.integer("train", report.member, report.interval - 1) & _WORD)
    pace, noise = float(report.hparams["pace"]), float(report.hparams["noise"])  # type: ignore[arg-type]
    for _ in range(report.steps):
        position = position + pace * (np.array([random.random(), np.random.random(), 1.0]) - noise)
    return position
