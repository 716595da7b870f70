"""Which is faster for a study of the population form: its members together, or each on its own?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from poptrain.core.errors import WorkerError
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.engine.failures import failure_of
from poptrain.engine.plan import Plan
from poptrain.executors.base import Copy
from poptrain.executors.vectorised import Vectorised
from poptrain.trainable.work import Broke, Done, Lost, Order

__all__ = ["Arrangement", "arrange"]

_ROUND_SECONDS = 0.3
"""Least time that a measured round should take, unless a whole interval takes less."""

_ROUNDS = 3
"""Measured rounds of each arrangement; the shortest counts."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What was measured.

    Args:
        batched: whether members train together.
        together: seconds of one round of the whole population, together; infinity where that is impossible.
        apart: the same, each member on its own.
        obstacle: why they cannot train together; empty where they can.
    """

    batched: bool
    together: float
    apart: float
    obstacle: str = ""

    def __str__(self) -> str:
        if self.obstacle:
            return f"processes, since the population cannot train as one computation: {self.obstacle}"
        kind, ratio = ("vectorised", self.apart / self.together) if self.batched else ("processes", self.together / self.apart)
        return f"{kind}, measured to be {ratio:.2f} times as fast as {'processes' if self.batched else 'vectorised'}"


def arrange(executor: Vectorised, plan: Plan, starts: Sequence[Hparams]) -> Arrangement:
    """Measure both arrangements with a few steps of the whole population, and leave the executor in the faster one.

    Args:
        executor: started, and idle; members have no states afterwards.
        plan: of the study.
        starts: the members' first hyperparameters.

    Raises:
        TrainingFailed, PoptrainError: the training code fails for single members too.
    """
    stopwatch = _Stopwatch(executor, plan, starts)
    apart, steps = stopwatch.measure(batched=False)
    obstacle, together = "", math.inf
    try:
        together, _ = stopwatch.measure(batched=True, steps=steps)
    except _Impossible as failure:
        obstacle = str(failure)
    found = Arrangement(together < apart, together, apart, obstacle)
    executor.arrange(batched=found.batched)
    return found


class _Impossible(Exception):
    """The population cannot train as one computation."""


class _Stopwatch:
    """Times rounds of the whole population."""

    def __init__(self, executor: Vectorised, plan: Plan, starts: Sequence[Hparams]) -> None:
        self._executor = executor
        self._plan = plan
        self._starts = starts
        self._keys = Keys(plan.seed)

    def measure(self, *, batched: bool, steps: int | None = None) -> tuple[float, int]:
        """Return the seconds of a round, and the steps it had; None steps are chosen to make it long enough."""
        self._executor.arrange(batched=batched)
        self._round(0, 1)  # whatever is made at first use is made here
        if steps is None:
            short = min(4, self._plan.interval_steps)
            seconds = self._round(1, short)
            steps = min(self._plan.interval_steps, max(short, math.ceil(short * _ROUND_SECONDS / max(seconds, 1e-6))))
        best = min(self._round(2 + i, steps) for i in range(_ROUNDS))
        self._executor.replace([Copy(member) for member in range(self._plan.population)])
        return best, steps

    def _round(self, interval: int, steps: int) -> float:
        clock = self._executor.clock
        began = clock.monotonic()
        for member, hparams in enumerate(self._starts):
            self._executor.advance(self._order(member, hparams, interval, steps))
        waiting = len(self._starts)
        broke: Broke | None = None
        while waiting:
            for outcome in self._executor.poll(None):
                if isinstance(outcome, Lost):
                    raise WorkerError(f"a worker was lost while speeds were measured: {outcome.detail}")
                waiting -= isinstance(outcome, (Done, Broke))
                broke = outcome if isinstance(outcome, Broke) else broke
        if broke is not None:
            self._executor.replace([Copy(member) for member in range(self._plan.population)])
            raise _Impossible(broke.message) if self._executor.batched else failure_of(broke)
        return clock.monotonic() - began

    def _order(self, member: int, hparams: Hparams, interval: int, steps: int) -> Order:
        word = 0xFFFFFFFFFFFFFFFF
        return Order(
            member=member,
            interval=interval,
            steps=steps,
            start=interval * steps,
            hparams=hparams,
            seed=self._keys.integer("arrange", member, interval) & word,
            init_seed=self._keys.integer("arrange-init", member) & word,
        )
