"""The contract of executors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poptrain.core.clock import Clock
from poptrain.trainable.host import HostSpec
from poptrain.trainable.work import Order, Outcome

__all__ = ["Copy", "Executor", "Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """What an executor needs to know of a study.

    Args:
        host: the user's code and how states are written and read.
        population: number of members, >= 1.
        logs: folder for the log files of workers.
        deadline: seconds after which an interval counts as stuck; None for twenty times the slowest interval so far, and at
            least ten minutes.
    """

    host: HostSpec
    population: int
    logs: Path
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Where a member's state comes from before its next interval.

    Args:
        member: who takes over a state.
        donor: whose state, as it is now at rest; None for no state at all: the member begins anew, or reads `path`.
        path: file that holds that state or, where the donor's state is in another worker, will be written to hold it.
    """

    member: int
    donor: int | None = None
    path: str = ""


class Executor(ABC):
    """Trains members somewhere and tells what became of it.

    Orders, saves and copies take effect in the order in which they are given, for each member. Nothing but `poll` waits.
    """

    batched: bool = False
    """Whether the intervals of several members train as one computation, which takes the population form."""

    block: int | None = 1
    """Most rows of a block of the population form; None lets free memory decide."""

    stable: bool = False
    """Whether a member's state stays what it last reported until it reports again, even with an order under way."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of intervals that can train at the same time, >= 1."""

    @property
    @abstractmethod
    def clock(self) -> Clock:
        """The clock that the study goes by."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Get ready; called once, before anything else."""

    @abstractmethod
    def advance(self, order: Order) -> None:
        """Train one interval of one member; `poll` returns Done, Broke or Lost for it."""

    @abstractmethod
    def save(self, member: int, path: str) -> None:
        """Write the state of a member at rest to a file; `poll` returns Saved or SaveFailed for it."""

    @abstractmethod
    def replace(self, copies: Sequence[Copy]) -> None:
        """Give members other states, all taken as they are before the first of these copies.

        An order of such a member that has not begun is void.

        Where a state must be written to a copy's `path` for it, `poll` returns Saved for that too.
        """

    @abstractmethod
    def poll(self, timeout: float | None) -> list[Outcome]:
        """Return what has happened; wait for the first thing to happen, at most `timeout` seconds (None: no limit).

        Returns an empty list when the time is over, or when nothing is under way.
        """

    @abstractmethod
    def close(self, *, abandon: bool = False) -> None:
        """Let go of everything; with `abandon`, at once, in the middle of intervals."""
