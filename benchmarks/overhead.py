"""Speed of whole studies against a bare loop, measured in turn in one run.

    python benchmarks/overhead.py [--repeats 5]

"steady" is from the end of every member's first interval to the end of the last one, so that it holds no imports and no waiting
for workers to start; "whole" is everything but the start of Python. Overhead is the difference of the steady times for each
member-interval of one worker.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import floor as bare
from workloads import STEPS, workload

import poptrain as pt
from poptrain.core.events import Reported
from poptrain.store.journal import Journal

CASES = [
    ("toy", 16, 20, "inline"),
    ("toy", 16, 20, "processes"),
    ("mlp", 8, 25, "inline"),
    ("mlp", 8, 25, "processes"),
    ("payload10", 4, 10, "processes"),
    ("payload100", 4, 10, "processes"),
]


def study(name: str, members: int, intervals: int, executor: str) -> dict[str, float]:
    """Run one study with copies and return its times."""
    kind = workload(name)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        began = time.perf_counter()
        pt.tune(
            kind,
            kind.SPACE,
            metric="score",
            population=members,
            intervals=intervals,
            interval_steps=STEPS[name],
            algorithm=pt.PBT(exploit=pt.exploit.truncation(0.25)),
            executor=executor,
            workers=2,
            directory=f"{folder}/study",
            preflight=False,
        )
        whole = time.perf_counter() - began
        return {"whole": whole, "steady": steady(Path(folder) / "study")}


def steady(directory: Path) -> float:
    """Return seconds from the end of the first round to the end of the last one."""
    journal = Journal.read_only(directory / "study.sqlite")
    reports = [event for _, _, event in journal.events() if isinstance(event, Reported)]
    journal.close()
    return max(r.ended for r in reports) - max(r.ended for r in reports if r.interval == 1)


def measure(case: tuple[str, int, int, str], repeats: int) -> dict[str, Any]:
    """Run floor and study in turn and return medians."""
    name, members, intervals, executor = case
    processes = 2 if executor == "processes" else 0
    rows = []
    for _ in range(repeats):
        least = bare.floor(name, members, intervals, processes)
        least["steady"] *= (intervals - 1) / intervals
        ours = study(name, members, intervals, executor)
        each = (ours["steady"] - least["steady"]) * max(1, processes) / (members * (intervals - 1))
        rows.append((least["steady"] / ours["steady"], ours["whole"] / least["whole"], 1e3 * each, ours["whole"]))
    speed, whole, overhead, seconds = (statistics.median(column) for column in zip(*rows, strict=True))
    return {"speed": speed, "whole": whole, "overhead_ms": overhead, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="run only the cases whose name begins so")
    arguments = parser.parse_args()
    os.environ.update(bare.THREADS)
    print(
        f"{'workload':<12}{'members':>8}{'intervals':>10}  {'executor':<10}{'speed':>7}{'whole':>7}{'overhead ms':>13}{'s':>7}"
    )
    for case in CASES:
        if not case[0].startswith(arguments.only):
            continue
        row = measure(case, arguments.repeats)
        print(
            f"{case[0]:<12}{case[1]:>8}{case[2]:>10}  {case[3]:<10}{row['speed']:>7.2f}{row['whole']:>7.2f}"
            f"{row['overhead_ms']:>13.3f}{row['seconds']:>7.2f}",
            flush=True,
        )
    print("speed = bare loop's steady time / ours (1 is the floor); whole = our whole time / the bare loop's")


if __name__ == "__main__":
    main()
