"""The preflight: a few steps of one member that show whether saving and restoring is exact, and what the study will cost."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poptrain.core.errors import DiskFull, StateError, WorkerError
from poptrain.core.rng import Keys
from poptrain.core.tree import difference, flatten
from poptrain.core.values import Hparams
from poptrain.engine.failures import failure_of, refusal_of
from poptrain.engine.plan import Plan
from poptrain.executors.base import Copy, Executor
from poptrain.space import Space
from poptrain.store.tensorfile import read_state
from poptrain.strategies.base import Algorithm, Context
from poptrain.trainable.work import Broke, Done, Lost, Order, Outcome, Saved, SaveFailed

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
        arrangement: which arrangement was measured to be faster, and by how much; empty where nothing was measured.
        remarks: what the training code's form wants its author to know.
    """

    state_bytes: int
    step_seconds: float
    evaluate_seconds: float
    total_seconds: float
    disk_bytes: int
    free_bytes: int
    exact: bool
    arrangement: str = ""
    remarks: tuple[str, ...] = ()


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
    scratch = _Scratch(executor, context.keys, starts, folder)
    try:
        return scratch.check(plan)
    finally:
        scratch.clear()


class _Scratch:
    """Members that exist only for the preflight: number 0 and its twin; everybody, where members train as one computation."""

    def __init__(self, executor: Executor, keys: Keys, starts: Sequence[Hparams], folder: Path) -> None:
        self._executor = executor
        self._keys = keys
        self._starts = starts
        self._members = list(range(len(starts))) if executor.batched else [0]
        # A twin behind the last member begins from other weights, so that a state that restores nothing shows. In a batched
        # population it is the last member, whose weights are other ones too.
        self._twin = len(starts) - 1 if executor.batched else len(starts)
        self._outcomes: deque[Outcome] = deque()
        self._remarks: dict[str, None] = {}
        self._files = [folder / f"preflight-{name}.safetensors" for name in ("before", "straight", "restored")]

    def check(self, plan: Plan) -> PreflightReport:
        before, straight, restored = self._files
        steps = min(_STEPS, plan.interval_steps)
        longer = min(3 * _STEPS, plan.interval_steps)
        self._train(0, steps)
        short = self._train(1, steps)
        size = self._save(0, before)
        long = self._train(2, longer)
        self._save(0, straight)
        self._executor.replace([Copy(self._twin, None, str(before))])
        again = self._train(2, longer, twin=True)
        self._save(self._twin, restored)
        exact = _compare(read_state(straight), read_state(restored), long[0].metrics, again[self._twin].metrics)
        return self._report(plan, size, (_seconds(short), steps), (_seconds(long), longer), exact=exact)

    def clear(self) -> None:
        """Forget the members and remove the files."""
        self._executor.replace([Copy(member) for member in sorted({*self._members, self._twin})])
        for path in self._files:
            path.unlink(missing_ok=True)

    def _report(
        self, plan: Plan, size: int, short: tuple[float, int], long: tuple[float, int], *, exact: bool
    ) -> PreflightReport:
        extra = long[1] - short[1]
        step = max(0.0, long[0] - short[0]) / extra if extra else short[0] / short[1]
        rest = max(0.0, short[0] - step * short[1])
        # A batched round trains everybody; otherwise as many as there are workers.
        rounds = plan.intervals if self._executor.batched else plan.population * plan.intervals
        parallel = 1 if self._executor.batched else min(self._executor.workers, plan.population)
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
            total_seconds=rounds * (plan.interval_steps * step + rest) / parallel,
            disk_bytes=disk,
            free_bytes=free,
            exact=exact,
            remarks=tuple(self._remarks),
        )

    def _train(self, interval: int, steps: int, *, twin: bool = False) -> dict[int, Done]:
        """Train everybody; or the twin (and, in a batched population, the others) under member 0's seed."""
        members = [self._twin] if twin and not self._executor.batched else self._members
        for member in members:
            like = 0 if twin and member == self._twin else member
            self._executor.advance(self._order(member, like, interval, steps))
        done: dict[int, Done] = {}
        while len(done) < len(members):
            one: Done = self._wait(Done)
            done[one.member] = one
            self._remarks.update(dict.fromkeys(one.remarks))
        return done

    def _order(self, member: int, like: int, interval: int, steps: int) -> Order:
        word = 0xFFFFFFFFFFFFFFFF
        return Order(
            member=member,
            interval=interval,
            steps=steps,
            start=interval * _STEPS,
            hparams=self._starts[like],
            seed=self._keys.integer("preflight", like, interval) & word,
            init_seed=self._keys.integer("preflight-init", member) & word,
        )

    def _save(self, member: int, path: Path) -> int:
        self._executor.save(member, str(path))
        saved: Saved = self._wait(Saved)
        return saved.nbytes

    def _wait(self, kind: type[Any]) -> Any:
        while True:
            while self._outcomes:
                outcome = self._outcomes.popleft()
                if isinstance(outcome, kind):
                    return outcome
                if isinstance(outcome, Broke):
                    raise failure_of(outcome)
                if isinstance(outcome, Lost):
                    raise WorkerError(f"a worker was lost in the preflight: {outcome.detail}")
                if isinstance(outcome, SaveFailed):
                    raise refusal_of(outcome)
            self._outcomes.extend(self._executor.poll(None))


def _seconds(done: Mapping[int, Done]) -> float:
    """Return how long a round took, from the first beginning to the last end."""
    return max(0.0, max(one.ended for one in done.values()) - min(one.began for one in done.values()))


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
