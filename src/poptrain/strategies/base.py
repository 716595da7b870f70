"""The contract of every way to choose hyperparameters: pure functions of (context, state, reports)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from poptrain.core.decisions import Decision
from poptrain.core.report import Report
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.space import Space

__all__ = ["Algorithm", "Context"]

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Context:
    """What an algorithm may know beside its own state.

    Args:
        keys: source of every random draw, by purpose, member and interval.
        space: the search space.
        population: number of members, >= 1.
        intervals: intervals each member is to complete, >= 1.
    """

    keys: Keys
    space: Space
    population: int
    intervals: int


class Algorithm(ABC, Generic[State]):
    """Chooses the first hyperparameters and, after reports, what each reporting member does next.

    An implementation is a frozen dataclass whose fields are its options. It never sees an executor, a store, a clock or
    torch. Both methods are pure: the same arguments give the same result, nothing passed in is changed. `state_type` is a
    dataclass that msgspec can encode as JSON and decode to an equal value.
    """

    state_type: ClassVar[type[Any]]

    @abstractmethod
    def init(self, context: Context) -> tuple[State, tuple[Hparams, ...]]:
        """Return the first state and the first hyperparameters of every member.

        Raises:
            ConfigError: an option does not fit the space or the population.
        """

    @abstractmethod
    def tell(self, context: Context, state: State, reports: Sequence[Report]) -> tuple[State, tuple[Decision, ...]]:
        """Return the next state and one decision for each report, in the order of the reports; or a single Stop.

        In synchronous mode `reports` holds every member at the same interval. In asynchronous mode it holds one report,
        and a donor is judged by what it last reported.
        """

    def keeps(self, state: State) -> Iterable[tuple[int, int]]:
        """Return the (member, interval) states that must stay, so that a later `Replace` can go back to them; none by default.

        A state is kept from the `tell` on that is told of its interval, for as long as this names it. Each costs a file.
        """
        return ()
