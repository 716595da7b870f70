"""Successive halving, in brackets and asynchronous (ASHA)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from poptrain.baselines.turns import Turns
from poptrain.core.decisions import Continue, Decision, Restart
from poptrain.core.errors import BudgetError, ConfigError
from poptrain.core.ranking import rank
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.random_search import check_length, starting_points

__all__ = ["ASHA", "HalvingState", "SuccessiveHalving"]


@dataclass(slots=True)
class HalvingState:
    """What was recorded on each rung.

    Args:
        turns: which configuration each member is training.
        rungs: from bracket and intervals of the rung to the fitness of those that reached it, in the order of their arrival;
            None for those that failed on the way.
    """

    turns: Turns
    rungs: dict[int, dict[int, list[float | None]]] = field(default_factory=dict)

    def copy(self) -> HalvingState:
        """Return a state that can be changed."""
        rungs = {bracket: {rung: list(found) for rung, found in of.items()} for bracket, of in self.rungs.items()}
        return HalvingState(self.turns.copy(), rungs)


@dataclass(frozen=True)
class SuccessiveHalving(Algorithm[HalvingState]):
    """Trains many configurations briefly and the best of them longer and longer.

    Configurations that begin together are a bracket. After min_length, min_length * eta, min_length * eta^2, ... intervals
    the best 1 / eta of those of the bracket that have got there go on; one at least. In the place of each of the others a new
    configuration is drawn and begins from a fresh network; those that begin after the same interval are a new bracket.

    Departures from the paper: brackets overlap, so that no member ever idles; and where members are not in step, a member
    is judged among those of its bracket that have reached the rung before it.

    Args:
        eta: one in so many goes on, >= 2.
        min_length: intervals up to the first rung, >= 1.
        max_length: intervals after which a configuration is complete and a new one begins, >= min_length; None for the
            whole study.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Jamieson and Talwalkar (2016), Non-stochastic Best Arm Identification and Hyperparameter Optimization.
    """

    eta: int = 3
    min_length: int = 1
    max_length: int | None = None
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = HalvingState

    def __post_init__(self) -> None:
        _check_rule(self.eta, self.min_length, self.max_length)

    def init(self, context: Context) -> tuple[HalvingState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody.

        Raises:
            ConfigError: the population is too small to stop anybody.
            BudgetError: nobody can reach the first rung.
        """
        if context.population < 2:
            raise ConfigError("population must be at least 2 for successive halving, got 1: pass population=2 or use ASHA")
        _check_budget(context, self.min_length)
        return HalvingState(Turns.first(context.population)), starting_points(context, self.initial)

    def tell(
        self, context: Context, state: HalvingState, reports: Sequence[Report]
    ) -> tuple[HalvingState, tuple[Decision, ...]]:
        """Stop those that fall behind their bracket on a rung, and begin new configurations in their place."""
        return _Halving(context, state, self.eta, self.min_length, self.max_length, brackets=True).tell(reports)


@dataclass(frozen=True)
class ASHA(Algorithm[HalvingState]):
    """Successive halving without brackets: a configuration is judged among all that have ever reached its rung.

    After min_length, min_length * eta, min_length * eta^2, ... intervals a configuration goes on if it is among the best
    1 / eta of those recorded on that rung, itself included; the best one always goes on. In the place of one that is stopped
    a new configuration is drawn and begins from a fresh network. Nobody waits for anybody.

    Departure from the paper: it is the variant that stops, not the one that pauses and promotes later, so that no state of a
    paused configuration has to be kept.

    Args:
        eta: one in so many goes on, >= 2.
        min_length: intervals up to the first rung, >= 1.
        max_length: intervals after which a configuration is complete and a new one begins, >= min_length; None for the
            whole study.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Li et al. (2020), A System for Massively Parallel Hyperparameter Tuning.
    """

    eta: int = 3
    min_length: int = 1
    max_length: int | None = None
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = HalvingState

    def __post_init__(self) -> None:
        _check_rule(self.eta, self.min_length, self.max_length)

    def init(self, context: Context) -> tuple[HalvingState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody.

        Raises:
            BudgetError: nobody can reach the first rung.
        """
        _check_budget(context, self.min_length)
        return HalvingState(Turns.first(context.population)), starting_points(context, self.initial)

    def tell(
        self, context: Context, state: HalvingState, reports: Sequence[Report]
    ) -> tuple[HalvingState, tuple[Decision, ...]]:
        """Stop those that are not among the best that ever reached their rung, and begin new configurations in their place."""
        return _Halving(context, state, self.eta, self.min_length, self.max_length, brackets=False).tell(reports)


class _Halving:
    """One call of `tell`."""

    def __init__(
        self, context: Context, state: HalvingState, eta: int, shortest: int, longest: int | None, *, brackets: bool
    ) -> None:
        self._context = context
        self._state = state.copy()
        self._eta = eta
        self._shortest = shortest
        self._longest = context.intervals if longest is None else longest
        self._brackets = brackets
        self._places: dict[tuple[int, int, int], list[int]] = {}

    def tell(self, reports: Sequence[Report]) -> tuple[HalvingState, tuple[Decision, ...]]:
        stop = self._state.turns.note(reports)
        if stop is not None:
            return self._state, (stop,)
        arrived = {report.member: self._arrive(report) for report in reports}  # everybody, before anybody is judged
        decisions = tuple(self._decide(report, arrived[report.member]) for report in reports)
        if self._brackets:
            live = set(self._state.turns.begun)
            self._state.rungs = {bracket: of for bracket, of in self._state.rungs.items() if bracket in live}
        return self._state, decisions

    def _arrive(self, report: Report) -> tuple[int, list[float | None], int] | None:
        """Record a member on the rung it has reached, or failed to; return the rung, what it holds, and the place on it."""
        trained = self._state.turns.trained(report)
        rung = self._rung(trained)
        if rung != trained and not report.failed:
            return None
        bracket = self._state.turns.begun[report.member] if self._brackets else 0
        held = self._state.rungs.setdefault(bracket, {}).setdefault(rung, [])
        held.append(None if report.failed else report.fitness)
        return rung, held, len(held) - 1

    def _rung(self, trained: int) -> int:
        """Return the first rung at or above a number of intervals."""
        rung = self._shortest
        while rung < trained:
            rung *= self._eta
        return rung

    def _decide(self, report: Report, arrived: tuple[int, list[float | None], int] | None) -> Decision:
        m = report.member
        if report.interval >= self._context.intervals:
            return Continue(m, "the last interval: nothing would be trained any more")
        if report.failed:
            return self._restart(report, "failed")
        if self._state.turns.trained(report) >= self._longest:
            return self._restart(report, f"is complete after {self._longest} intervals")
        if arrived is None:
            return Continue(m, "between two rungs")
        rung, held, place = arrived
        position = self._ranks(report, rung, held)[place]
        quota = max(1, len(held) // self._eta)
        where = f"fitness {report.fitness:.6g} ranks {position + 1} of {len(held)} after {rung} intervals"
        if position < quota:
            return Continue(m, f"{where}: among the best {quota}, goes on")
        return self._restart(report, f"stops: {where}, and {quota} go on")

    def _ranks(self, report: Report, rung: int, held: Sequence[float | None]) -> list[int]:
        """Return the rank of each place on a rung, one order for all that are judged together."""
        key = (self._state.turns.begun[report.member] if self._brackets else 0, rung, report.interval)
        if key not in self._places:
            fitness = np.array([math.nan if f is None else f for f in held])
            order = rank(fitness, self._context.keys.generator("ties", -1, report.interval))
            ranks = np.empty_like(order)
            ranks[order] = np.arange(len(order))
            self._places[key] = ranks.tolist()
        return self._places[key]

    def _restart(self, report: Report, why: str) -> Decision:
        old = self._state.turns.numbers[report.member]
        new = self._state.turns.next(report)
        hparams = self._context.space.sample(self._context.keys.generator("restart", report.member, report.interval))
        return Restart(report.member, hparams, f"configuration {old} {why}; configuration {new} begins")


def _check_rule(eta: int, min_length: int, max_length: int | None) -> None:
    if isinstance(eta, bool) or not isinstance(eta, int) or eta < 2:
        raise ConfigError(f"eta must be a whole number of at least 2, got {eta!r}: 3 is usual")
    if isinstance(min_length, bool) or not isinstance(min_length, int) or min_length < 1:
        raise ConfigError(f"min_length must be a whole number of intervals of at least 1, got {min_length!r}")
    check_length(max_length)
    if max_length is not None and max_length < min_length:
        raise ConfigError(f"max_length must be at least min_length={min_length}, got {max_length}: pass max_length=None")


def _check_budget(context: Context, min_length: int) -> None:
    if min_length > context.intervals:
        raise BudgetError(
            f"min_length must be at most the study's intervals, got min_length={min_length} and "
            f"intervals={context.intervals}: pass min_length={context.intervals} or more intervals"
        )
