"""Decisions and journal for 8 to 10,000 members.

    python benchmarks/decisions.py [--repeats 5] [--algorithms]

"decide" is one synchronous round of PBT with truncation selection, texts included; "journal" is the commit of that round's
reports and copies, against the same number of bare rows in a bare SQLite transaction with the same settings. With --algorithms,
a round of every algorithm that needs no model, for 1,000 members: the median and the longest of 20 rounds.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import poptrain as pt
from poptrain.baselines.by_name import ALGORITHMS
from poptrain.core.decisions import Decision, Replace, Restart
from poptrain.core.events import Event, Replaced, Reported
from poptrain.core.report import Report
from poptrain.core.rng import Keys
from poptrain.store.journal import Journal
from poptrain.strategies.base import Algorithm, Context

SPACE = pt.Space({"lr": pt.Float(1e-5, 1.0, log=True), "dropout": pt.Float(0.0, 0.8), "layers": pt.Int(1, 8)})


def round_of(members: int) -> tuple[float, list[Event]]:
    """Return the seconds of one decision round, and the events it leads to."""
    algorithm = pt.PBT()
    context = Context(Keys(0), SPACE, members, 10)
    state, starts = algorithm.init(context)
    scores = np.random.default_rng(0).random(members)
    reports = [Report(m, 1, float(scores[m]), starts[m]) for m in range(members)]
    began = time.perf_counter()
    state, decisions = algorithm.tell(context, state, reports)
    seconds = time.perf_counter() - began
    return seconds, [*map(reported, reports), *replaced(decisions)]


def reported(report: Report) -> Event:
    return Reported(
        member=report.member,
        interval=1,
        score=report.fitness,
        metrics={"score": report.fitness},
        hparams=report.hparams,
        steps=100,
    )


def replaced(decisions: Sequence[Decision]) -> list[Event]:
    return [
        Replaced(
            member=d.member,
            interval=1,
            donor=d.donor,
            donor_interval=d.donor_interval,
            hparams=d.hparams,
            weights=d.weights,
            because=d.because,
        )
        for d in decisions
        if isinstance(d, Replace)
    ]


def journal_seconds(events: Sequence[Event], folder: Path) -> float:
    journal = Journal.create(folder / "study.sqlite", "{}")
    began = time.perf_counter()
    for event in events:
        journal.append(event, 0.0)
    journal.commit(b"{}")
    seconds = time.perf_counter() - began
    journal.close()
    return seconds


def bare_seconds(events: Sequence[Event], folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, a INTEGER, b REAL, data TEXT)")
    text = "x" * 200
    began = time.perf_counter()
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO rows (a, b, data) VALUES (?, ?, ?)", [(i, 0.5, text) for i in range(len(events))])
    connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def algorithm_seconds(kind: Callable[[], Algorithm[Any]], *, members: int, rounds: int) -> list[float]:
    """Return the seconds of each round of an algorithm."""
    algorithm = kind()
    context = Context(Keys(0), SPACE, members, 2 * rounds)
    state, starts = algorithm.init(context)
    hparams, scores, seconds = list(starts), np.random.default_rng(0), []
    for interval in range(1, rounds + 1):
        reports = [Report(m, interval, float(scores.random()), hparams[m]) for m in range(members)]
        began = time.perf_counter()
        state, decisions = algorithm.tell(context, state, reports)
        seconds.append(time.perf_counter() - began)
        for decision in decisions:
            if isinstance(decision, (Replace, Restart)):
                hparams[decision.member] = decision.hparams
    return seconds


def show_algorithms() -> None:
    print(f"{'algorithm':<12}{'median ms':>11}{'longest ms':>12}")
    for name, kind in ALGORITHMS.items():
        if name not in ("bayesian", "pb2", "bg-pbt"):
            seconds = algorithm_seconds(kind, members=1_000, rounds=20)
            print(f"{name:<12}{1e3 * statistics.median(seconds):>11.2f}{1e3 * max(seconds):>12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--algorithms", action="store_true")
    asked = parser.parse_args()
    repeats = asked.repeats
    if asked.algorithms:
        show_algorithms()
        return
    print(f"{'members':>8}{'decide ms':>11}{'events':>8}{'journal ms':>12}{'bare ms':>9}{'ratio':>7}")
    for members in (8, 100, 1_000, 10_000):
        decide, ours, bare = [], [], []
        for _ in range(repeats):
            seconds, events = round_of(members)
            decide.append(seconds)
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                ours.append(journal_seconds(events, Path(folder)))
                bare.append(bare_seconds(events, Path(folder)))
        ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
        print(
            f"{members:>8}{1e3 * statistics.median(decide):>11.2f}{len(events):>8}{1e3 * statistics.median(ours):>12.2f}"
            f"{1e3 * statistics.median(bare):>9.2f}{ratio:>7.2f}"
        )


if __name__ == "__main__":
    main()
