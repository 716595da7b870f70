"""The floor: the same intervals in a bare loop on warm processes, with no tuner, no checkpoint and no journal."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import Any

from workloads import STEPS, middle, workload

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def train(name: str, members: int, intervals: int) -> tuple[float, float]:
    """Train members in turn in this process; return when it began and ended (seconds since 1970)."""
    kind, steps = workload(name), STEPS[name]
    population = [kind() for _ in range(members)]
    hparams = middle(kind.SPACE)
    for member in population[:1]:  # imports and first-call costs belong to the start
        member.configure(hparams)
        member.step(1)
        member.evaluate()
    began = time.time()
    for _ in range(intervals):
        for member in population:
            member.configure(hparams)
            member.step(steps)
            member.evaluate()
    return began, time.time()


def _worker(name: str, members: int, intervals: int, barrier: Any, results: Any) -> None:
    kind = workload(name)
    warm = kind()
    warm.configure(middle(kind.SPACE))
    warm.step(1)
    warm.evaluate()
    barrier.wait()
    results.put(train(name, members, intervals))


def floor(name: str, members: int, intervals: int, processes: int) -> dict[str, float]:
    """Return seconds of the whole run, and from the first interval's start to the last one's end."""
    os.environ.update(THREADS)
    if processes == 0:
        whole = time.perf_counter()
        began, ended = train(name, members, intervals)
        return {"steady": ended - began, "whole": time.perf_counter() - whole}
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.SimpleQueue()
    shares = [len(range(i, members, processes)) for i in range(processes)]
    whole = time.perf_counter()
    workers = [context.Process(target=_worker, args=(name, share, intervals, barrier, results)) for share in shares]
    for worker in workers:
        worker.start()
    spans = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    steady = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return {"steady": steady, "whole": time.perf_counter() - whole}
