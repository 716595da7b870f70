"""One process, one interval at a time: the executor to debug with, and the fastest one for tiny members."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence

from poptrain.core.clock import Clock, SystemClock
from poptrain.executors.base import Copy, Executor, Job
from poptrain.executors.local import AnyHost, copy_here, make_host, save_here, train_together
from poptrain.executors.threads import limited_threads
from poptrain.trainable.blocks import Blocks
from poptrain.trainable.work import Order, Outcome

__all__ = ["Inline"]


class Inline(Executor):
    """Trains members one after another in this process, in the order in which they are told to advance.

    A deadline cannot be kept here: nobody is there to end an interval that hangs.

    Args:
        threads: torch threads, >= 1; the number takes part in results to the last bit.
        clock: the clock to go by.
        batched: train all members that have an order at a time as one computation; takes the population form.
        block: then, the most rows of one computation; None lets free memory decide.
    """

    def __init__(
        self, *, threads: int = 1, clock: Clock | None = None, batched: bool = False, block: int | None = None
    ) -> None:
        self.batched = batched
        self.block = block if batched else 1
        self.stable = not batched  # all that train together have moved on once one of them has reported
        self._threads = threads
        self._clock = clock or SystemClock()
        self._orders: deque[Order] = deque()
        self._outcomes: list[Outcome] = []
        self._stack = contextlib.ExitStack()

    @property
    def workers(self) -> int:
        """Always 1."""
        return 1

    @property
    def clock(self) -> Clock:
        """The system's clock, unless another one was given."""
        return self._clock

    def start(self, job: Job) -> None:
        """Make the host of all members."""
        self._orders.clear()
        self._outcomes.clear()
        self._stack.enter_context(limited_threads(self._threads))
        self._host: AnyHost = make_host(job.host)

    def advance(self, order: Order) -> None:
        """Queue the order."""
        self._orders.append(order)

    def save(self, member: int, path: str) -> None:
        """Write at once."""
        self._outcomes.append(save_here(self._host, member, path))

    def replace(self, copies: Sequence[Copy]) -> None:
        """Copy at once."""
        void = {copy.member for copy in copies}
        self._orders = deque(order for order in self._orders if order.member not in void)
        self._outcomes += copy_here(self._host, copies)

    def arrange(self, *, batched: bool, block: int | None) -> None:
        """Change how members of the population form are trained; they lose their states."""
        self.batched = batched
        self.stable = not batched
        self.block = block if batched else 1
        if isinstance(self._host, Blocks):
            self._host.arrange(self.block)

    def poll(self, timeout: float | None) -> list[Outcome]:
        """Return what is there; else train the interval that has waited longest, or all of them if batched."""
        if not self._outcomes and self._orders:
            now = list(self._orders) if self.batched else [self._orders[0]]
            for _ in now:
                self._orders.popleft()
            self._outcomes += train_together(self._host, now, 0)
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close(self, *, abandon: bool = False) -> None:
        """Unwind all bodies that are at rest."""
        self._orders.clear()
        self._host.close()
        self._stack.close()
