"""The whole population as one computation, or as one in each of a few worker processes."""

from __future__ import annotations

from collections.abc import Sequence

from poptrain.core.clock import Clock
from poptrain.core.errors import ConfigError
from poptrain.executors.base import Copy, Executor, Job
from poptrain.executors.inline import Inline
from poptrain.executors.processes import Processes
from poptrain.trainable.work import Order, Outcome

__all__ = ["Vectorised"]


class Vectorised(Executor):
    """Trains members of the population form together: N networks as one batched computation.

    Every worker holds its part of the population for the whole study, so that nothing but copies between the parts moves. On a
    CPU one worker a core with one thread each is the fastest arrangement for small networks; on GPUs, one worker a device.

    Args:
        workers: worker processes, >= 0; 0 trains everything in this process.
        threads: threads of numeric libraries in each, >= 1; the number takes part in results to the last bit.
        block: most members in one computation, >= 1; None lets free memory decide.
        devices: CUDA devices to hand out, one to a worker, in turn; None for all that this process may use.
        clock: the clock to go by.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        threads: int = 1,
        block: int | None = None,
        devices: Sequence[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if workers < 0:
            raise ConfigError(f"workers must be at least 0, got {workers}: pass workers=1, or 0 to train in this process")
        if block is not None and block < 1:
            raise ConfigError(f"block must be at least 1 member, got {block}: pass block=None to let free memory decide")
        self._rows = block
        self._inner: Inline | Processes = (
            Processes(workers=workers, threads=threads, devices=devices, clock=clock, batched=True, block=block)
            if workers
            else Inline(threads=threads, clock=clock, batched=True, block=block)
        )
        self._note()

    @property
    def workers(self) -> int:
        """The number of worker processes; 1 where everything is trained in this one."""
        return self._inner.workers

    @property
    def clock(self) -> Clock:
        """The system's clock, unless another one was given."""
        return self._inner.clock

    def start(self, job: Job) -> None:
        """Start the workers, if any; returns before they are ready."""
        self._inner.start(job)

    def advance(self, order: Order) -> None:
        """Queue the order; it is trained with all others that are there at the next `poll`."""
        self._inner.advance(order)

    def save(self, member: int, path: str) -> None:
        """Write a member's state, or ask its worker to."""
        self._inner.save(member, path)

    def replace(self, copies: Sequence[Copy]) -> None:
        """Copy rows within a block at once, and states between blocks through memory or a file."""
        self._inner.replace(copies)

    def arrange(self, *, batched: bool) -> None:
        """Train members together, or each on its own as `Processes` does; they lose their states."""
        self._inner.arrange(batched=batched, block=self._rows)
        self._note()

    def poll(self, timeout: float | None) -> list[Outcome]:
        """Return what has happened, after at most `timeout` seconds."""
        return self._inner.poll(timeout)

    def close(self, *, abandon: bool = False) -> None:
        """Let go of everything."""
        self._inner.close(abandon=abandon)

    def _note(self) -> None:
        self.batched = self._inner.batched
        self.block = self._inner.block
        self.stable = self._inner.stable
