"""A simulated cluster: members train in this process, time is made up, and everything that depends on it is repeatable."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from poptrain.core.clock import ManualClock
from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams
from poptrain.executors.base import Copy, Executor, Job
from poptrain.executors.local import AnyHost, copy_here, make_host, save_here, train_here
from poptrain.trainable.work import Done, Lost, Order, Outcome

__all__ = ["Duration", "Simulated"]

Duration = Callable[[int, int, Hparams], float]
"""From (member, interval, hyperparameters) to the seconds that the interval takes; infinity for one that never ends."""


class Simulated(Executor):
    """As many workers as you like, whose intervals take as long as you say.

    Use it to see how an asynchronous study unfolds when some members are slow, or to plan a large population: a made-up
    trainable and a table of durations show utilisation and copies in seconds. Intervals that end at the same time end in
    the order of their members.

    Args:
        workers: number of simulated workers, >= 1.
        duration: seconds of an interval; a number, or a function of (member, interval, hyperparameters).

    Example:
        >>> Simulated(workers=4, duration=lambda member, interval, hparams: 1.0 + member).workers
        4
    """

    stable = True

    def __init__(self, *, workers: int = 1, duration: float | Duration = 1.0) -> None:
        if workers < 1:
            raise ConfigError(f"workers must be at least 1, got {workers}: pass workers=1")
        self._count = workers
        self._duration: Duration = duration if callable(duration) else lambda member, interval, hparams: float(duration)
        self._clock = ManualClock()
        self._waiting: deque[Order] = deque()
        self._running: list[tuple[float, int, int, Order]] = []
        self._idle: list[int] = []
        self._outcomes: list[Outcome] = []

    @property
    def workers(self) -> int:
        """The number of simulated workers."""
        return self._count

    @property
    def clock(self) -> ManualClock:
        """The simulated clock; it stands at the end of the interval that ended last."""
        return self._clock

    def start(self, job: Job) -> None:
        """Make the host of all members."""
        self._idle = list(range(self._count))
        self._outcomes.clear()
        self._host: AnyHost = make_host(job.host)
        self._deadline = job.deadline

    def advance(self, order: Order) -> None:
        """Queue the order for the first worker that is idle."""
        self._waiting.append(order)
        self._dispatch()

    def save(self, member: int, path: str) -> None:
        """Write at once; it takes no simulated time."""
        self._outcomes.append(save_here(self._host, member, path))

    def replace(self, copies: Sequence[Copy]) -> None:
        """Copy at once; it takes no simulated time."""
        void = {copy.member for copy in copies}
        self._waiting = deque(order for order in self._waiting if order.member not in void)
        self._outcomes += copy_here(self._host, copies)

    def poll(self, timeout: float | None) -> list[Outcome]:
        """Move the clock to the end of the next interval and train it there."""
        if not self._outcomes and self._running:
            end, _, worker, order = heapq.heappop(self._running)
            if timeout is not None and end > self._clock.now + timeout:
                heapq.heappush(self._running, (end, order.member, worker, order))
                self._clock.advance(timeout)
                return []
            self._clock.advance(end - self._clock.now)
            self._outcomes.append(self._end(order, worker))
            heapq.heappush(self._idle, worker)
            self._dispatch()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close(self, *, abandon: bool = False) -> None:
        """Unwind all bodies."""
        self._waiting.clear()
        self._running.clear()
        self._host.close()

    def _dispatch(self) -> None:
        while self._waiting and self._idle:
            order = self._waiting.popleft()
            seconds = self._duration(order.member, order.interval, order.hparams)
            if self._deadline is not None:
                seconds = min(seconds, self._deadline)
            worker = heapq.heappop(self._idle)
            heapq.heappush(self._running, (self._clock.now + seconds, order.member, worker, order))

    def _end(self, order: Order, worker: int) -> Outcome:
        """Train the interval at the moment it ends, so that until then the member's state is what it last reported."""
        seconds = self._duration(order.member, order.interval, order.hparams)
        if self._deadline is not None and seconds > self._deadline:
            return Lost(
                worker=worker,
                running=order.member,
                interval=order.interval,
                reason="stuck",
                detail=f"no progress for {self._deadline:g} s",
            )
        outcome = train_here(self._host, order, worker)
        if isinstance(outcome, Done):
            return replace(outcome, began=self._clock.now - seconds, ended=self._clock.now)
        return outcome
