"""The preflight: a few steps of one member that show whether saving and restoring is exact, and what the study will cost."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poptrain.core.errors import DiskFull, StateError, StoreError, WorkerError
from poptrain.core.rng import Keys
from poptrain.core.tree import difference, flatten
from poptrain.core.values import Hparams
from poptrain.engine.failures import failure_of
from poptrain.engine.plan import Plan
from poptrain.executors.base import Copy, Executor
from poptrain.space import Space
from poptrain.store.tensorfile import read_state
from poptrain.strategies.base import Algorithm, Context
from poptrain.trainable.work import Broke, Done, Lost, Order, Saved, SaveFailed

__all__ = ["PreflightReport", "preflight"]

_STEPS = 2
"""Steps of the shorter intervals; the measured one has three times as many."""

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightReport:
    """What the preflight found.

    Args:
        state_bytes: size of one member's state.
        step_seconds: time of one step.
        evaluate_seconds: time of what an interval does beside its steps.
        total_seconds: estimate for the whole study on this executor.
        disk_bytes: most that checkpoints will take at a time.
        free_bytes: room on the study's disk.
        exact: whether a restored member went on to the same bits; False where it was only close, as on most GPUs.
    """

    state_bytes: int
    step_seconds: float
    evaluate_seconds: float
    total_seconds: float
    disk_bytes: int
    free_bytes: int
    exact: bool


def preflight(executor: Executor, plan: Plan, space: Space, algorithm: Algorithm[Any], folder: Path) -> PreflightReport:
    """Train one member for a few steps, save it, restore it as another member, and compare what both do next.

    Args:
        executor: started, and idle; it is left as it was.
        plan, space, algorithm: of the study.
        folder: existing folder for three files, which are removed.

    Raises:
        StateError: the restored member goes on differently, so something that training depends on is not in the state.
        TrainingFailed, HyperparameterNotApplied, ReportError: the training code fails.
        DiskFull: the disk cannot hold the study's checkpoints.
    """
    context = Context(Keys(plan.seed), space, plan.population, plan.intervals)
    _, starts = algorithm.init(context)
    scratch = _Scratch(executor, context.keys, starts[0], plan.population, folder)
    try:
        return scratch.check(plan)
    finally:
        scratch.clear()


class _Scratch:
    """Two members that exist only for the preflight: number 0, and one behind the last."""

    def __init__(self, executor: Executor, keys: Keys, hparams: Hparams, population: int, folder: Path) -> None:
        self._executor = executor
        self._keys = keys
        self._hparams = hparams
        self._twin = population
        self._files = [folder / f"preflight-{name}.safetensors" for name in ("before", "straight", "restored")]

    def check(self, plan: Plan) -> PreflightReport:
        before, straight, restored = self._files
        steps = min(_STEPS, plan.interval_steps)
        longer = min(3 * _STEPS, plan.interval_steps)
        self._train(0, 0, steps)
        short = self._train(0, 1, steps)
        size = self._save(0, before)
        long = self._train(0, 2, longer)
        self._save(0, straight)
        self._executor.replace([Copy(self._twin, None, str(before))])
        twin = self._train(self._twin, 2, longer)
        self._save(self._twin, restored)
        exact = _compare(read_state(straight), read_state(restored), long.metrics, twin.metrics)
        return self._report(plan, size, (short, steps), (long, longer), exact=exact)

    def clear(self) -> None:
        """Forget both members and remove the files."""
        self._executor.replace([Copy(0), Copy(self._twin)])
        for path in self._files:
            path.unlink(missing_ok=True)

    def _report(
        self, plan: Plan, size: int, short: tuple[Done, int], long: tuple[Done, int], *, exact: bool
    ) -> PreflightReport:
        took = [max(0.0, done.ended - done.began) for done, _ in (short, long)]
        extra = long[1] - short[1]
        step = max(0.0, took[1] - took[0]) / extra if extra else took[0] / short[1]
        rest = max(0.0, took[0] - step * short[1])
        intervals = plan.population * plan.intervals
        parallel = min(self._executor.workers, plan.population)
        # Live states, those of the last commit, those on their way to the next one, and the best.
        disk = size * (3 * plan.population + 1)
        free = _free(self._files[0].parent)
        if disk > free:
            raise DiskFull(
                f"the study's checkpoints may take {disk / 1e9:.1f} GB, the disk of {self._files[0].parent} has "
                f"{free / 1e9:.1f} GB: free some room, choose another directory, or train a smaller population"
            )
        return PreflightReport(
            state_bytes=size,
            step_seconds=step,
            evaluate_seconds=rest,
            total_seconds=intervals * (plan.interval_steps * step + rest) / parallel,
            disk_bytes=disk,
            free_bytes=free,
            exact=exact,
        )

    def _train(self, member: int, interval: int, steps: int) -> Done:
        order = Order(
            member=member,
            interval=interval,
            steps=steps,
            start=interval * _STEPS,
            hparams=self._hparams,
            seed=self._keys.integer("preflight", 0, interval) & 0xFFFFFFFFFFFFFFFF,
            # The twin begins from other weights, so that a state that restores nothing shows.
            init_seed=self._keys.integer("preflight-init", member) & 0xFFFFFFFFFFFFFFFF,
        )
        self._executor.advance(order)
        done: Done = self._wait(Done)
        return done

    def _save(self, member: int, path: Path) -> int:
        self._executor.save(member, str(path))
        saved: Saved = self._wait(Saved)
        return saved.nbytes

    def _wait(self, kind: type[Any]) -> Any:
        while True:
            for outcome in self._executor.poll(None):
                if isinstance(outcome, kind):
                    return outcome
                if isinstance(outcome, Broke):
                    raise failure_of(outcome)
                if isinstance(outcome, Lost):
                    raise WorkerError(f"a worker was lost in the preflight: {outcome.detail}")
                if isinstance(outcome, SaveFailed):
                    raise (DiskFull if outcome.full else StoreError)(outcome.message)


def _compare(straight: Any, restored: Any, ours: Mapping[str, float], theirs: Mapping[str, float]) -> bool:
    """Return whether both ended in the same bits; raise if they are not even close."""
    found = difference(straight, restored)
    scores = [name for name in ours if not _near(ours[name], theirs[name])]
    if found is None and not scores:
        return True
    if _close(straight, restored) and not scores:
        return False
    what = found or f"metric {scores[0]}: {ours[scores[0]]!r} and {theirs[scores[0]]!r} for the same state"
    raise StateError(
        f"a member that was saved and restored goes on differently from one that was not ({what}): register everything "
        f"that the next step depends on (optimiser, scheduler, counters, replay buffers), draw random numbers from the global "
        f"generators or from interval.seed, and keep nothing else between intervals; preflight=False skips this check"
    )


def _near(a: float, b: float) -> bool:
    return a == b or (a != a and b != b) or abs(a - b) <= _TOLERANCE * max(abs(a), abs(b))


def _close(a: Any, b: Any) -> bool:
    """Return whether two states differ by rounding only."""
    left, right = flatten(a), flatten(b)
    if left.skeleton != right.skeleton or set(left.arrays) != set(right.arrays):
        return False
    for name, mine in left.arrays.items():
        x, y = _numbers(mine), _numbers(right.arrays[name])
        if x.shape != y.shape or not np.allclose(x, y, rtol=_TOLERANCE, atol=1e-6, equal_nan=True):
            return False
    return True


def _numbers(array: Any) -> Any:
    if hasattr(array, "detach"):
        array = array.detach().cpu().double().numpy()
    return np.asarray(array, dtype=np.float64)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
