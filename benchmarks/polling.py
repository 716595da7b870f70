"""What it costs a study that somebody looks at it fifty times a second.

    python benchmarks/polling.py [--repeats 7] [--hertz 50]

A study of a small network trains in one process; a second process opens the study as often as asked and reads what
`poptrain watch` shows: status, best score, every member's last score. Watched and unwatched studies take turns. The time is
that from the end of the first round of intervals to the end of the last one; "refused" counts looks that failed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from overhead import steady
from workloads import STEPS, workload

import poptrain as pt
from poptrain.core.errors import PoptrainError

MEMBERS, INTERVALS = 8, 150


def train(directory: Path) -> float:
    """Train a study and return its steady seconds."""
    kind = workload("mlp")
    pt.tune(
        kind,
        kind.SPACE,
        metric="score",
        population=MEMBERS,
        intervals=INTERVALS,
        interval_steps=STEPS["mlp"],
        algorithm=pt.PBT(exploit=pt.exploit.truncation(0.25)),
        executor="inline",
        directory=directory,
        preflight=False,
    )
    return steady(directory)


def look(directory: Path, hertz: float, over: Any, counts: Any) -> None:
    """Open the study again and again until told to stop."""
    looks = refused = 0
    while not over.is_set():
        began = time.monotonic()
        try:
            if (directory / "study.sqlite").exists():
                study = pt.Study.open(directory)
                _ = (study.status, study.scored and study.best.score, [member.score for member in study.members()])
                looks += 1
        except PoptrainError:
            refused += 1
        time.sleep(max(0.0, 1 / hertz - (time.monotonic() - began)))
    counts[:] = [looks, refused]


def watched(directory: Path, hertz: float) -> tuple[float, int, int]:
    """Train a study that is looked at; return its steady seconds, the looks, and how many of them were refused."""
    context = multiprocessing.get_context("spawn")
    over, counts = context.Event(), context.Array("i", 2)
    watcher = context.Process(target=look, args=(directory, hertz, over, counts))
    watcher.start()
    time.sleep(3.0)  # its imports
    try:
        seconds = train(directory)
    finally:
        over.set()
        watcher.join()
    return seconds, counts[0], counts[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--hertz", type=float, default=50.0)
    asked = parser.parse_args()
    ratios, looks, refused, seconds = [], 0, 0, []
    for _ in range(asked.repeats):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            alone = train(Path(folder) / "alone")
            seen, some, locked = watched(Path(folder) / "watched", asked.hertz)
        ratios.append(seen / alone)
        seconds.append(seen)
        looks, refused = looks + some, refused + locked
    rate = looks / sum(seconds)
    print(f"watched {rate:.0f} times a second: {statistics.median(ratios):.3f} times the time of an unwatched study")
    print(f"ratios {', '.join(f'{ratio:.3f}' for ratio in sorted(ratios))}; {looks} looks, {refused} refused")
    if refused:
        sys.exit(1)


if __name__ == "__main__":
    main()
