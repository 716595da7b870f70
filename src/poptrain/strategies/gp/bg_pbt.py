"""Bayesian Generational PBT, without its search for architectures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Replace
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.explore import Chain, Explore, Perturb, Resample, changes
from poptrain.strategies.gp.memory import Memory
from poptrain.strategies.gp.model import Model, check_installed
from poptrain.strategies.gp.pb2 import check_options, least_rows, proposed
from poptrain.strategies.gp.rows import kinds_of
from poptrain.strategies.random_search import starting_points

__all__ = ["BGPBT", "BGPBTState"]

_START, _LEAST, _MOST, _STEP = 0.4, 0.15, 1.0, 1.5
_SUCCESSES, _FAILURES = 3, 10


@dataclass(slots=True)
class BGPBTState:
    """What is remembered.

    Args:
        memory: rows, weights and what members last published.
        best: (member, interval) of the best state so far; None before the first.
        best_fitness: its fitness; None before the first.
        best_hparams: the hyperparameters of the interval that ended in it.
        length: side of the trust region.
        successes, failures: rounds in a row with and without a new best score.
        round: the last interval that was counted as a round.
    """

    memory: Memory
    best: tuple[int, int] | None = None
    best_fitness: float | None = None
    best_hparams: dict[str, Value] = field(default_factory=dict)
    length: float = _START
    successes: int = 0
    failures: int = 0
    round: int = 0


@dataclass(frozen=True)
class BGPBT(Algorithm[BGPBTState]):
    """PB2 within a trust region, whose copies go back to the best state there ever was.

        exploit   the bottom `quantile` goes back to the state with the best score so far, however old
        explore   as in PB2 with a Matern-5/2 kernel, over the last 100 rows, within half a side of the copied place
        region    side 0.4, times 1.5 after 3 rounds in a row with a new best score, divided by it after 10 without, from 0.15
                  to 1; where it would get smaller, the model forgets its rows and the region begins anew

    Pending proposals of a round are taken to gain what the model expects.

    Departures from the paper: no architectures are searched, so there are no generations with distillation, and a restart of
    the region keeps the weights; otherwise those of `PB2`.

    Args:
        quantile: part of the population that copies, 0 < quantile <= 0.5; at least one member.
        least_rows: rows before the model proposes, >= 2; None for twice as many as there are hyperparameters, at least four.
        explore: what a copy changes before.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Wan et al. (2022), Bayesian Generational Population-Based Training, arXiv 2207.09405.
    """

    quantile: float = 0.125
    least_rows: int | None = None
    explore: Explore = Chain((Resample(0.25), Perturb((0.8, 1.2))))  # noqa: RUF009 (a frozen policy)
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = BGPBTState

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", tuple(dict(hparams) for hparams in self.initial))
        check_options(self.quantile, self.least_rows, self.explore)

    def init(self, context: Context) -> tuple[BGPBTState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody.

        Raises:
            ConfigError: there is nobody to copy.
            MissingExtra: scikit-learn is not installed.
        """
        check_installed("BG-PBT")
        if context.population < 2:
            raise ConfigError(f"population must be at least 2 for exploitation, got {context.population}: pass population=2")
        self.explore.check(context.space)
        starts = starting_points(context, self.initial)
        return BGPBTState(Memory.begin(context.space, starts)), starts

    def tell(self, context: Context, state: BGPBTState, reports: Sequence[Report]) -> tuple[BGPBTState, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        after = self._note(context, state, reports)
        stop = after.memory.seen.stop()
        if stop is not None:
            return after, (stop,)
        before = after.memory
        after.memory = before.copy()
        order = before.seen.ranking(context, reports)
        places = {member: place for place, member in enumerate(order)}
        numbers, _ = kinds_of(context.space)
        enough = bool(numbers) and len(before.rows) >= least_rows(context, self.least_rows)
        options: Any = {"intervals": context.intervals, "most": 100, "rough": True, "pending": "mean"}
        model = Model(before.rows, **options) if enough else None
        return after, tuple(self._decide(context, before, after, order, places[r.member], r, model) for r in reports)

    def keeps(self, state: BGPBTState) -> Iterable[tuple[int, int]]:
        """Return the best state there ever was."""
        return () if state.best is None else (state.best,)

    def _note(self, context: Context, state: BGPBTState, reports: Sequence[Report]) -> BGPBTState:
        noted = BGPBTState(
            state.memory.noting(context.space, reports),
            state.best,
            state.best_fitness,
            state.best_hparams,
            state.length,
            state.successes,
            state.failures,
            state.round,
        )
        better = False
        for report in reports:
            best = -math.inf if noted.best_fitness is None else noted.best_fitness
            if not report.failed and report.fitness > best:
                noted.best, noted.best_fitness = (report.member, report.interval), report.fitness
                noted.best_hparams, better = dict(report.hparams), True
        if better:
            noted.successes, noted.failures = noted.successes + 1, 0
            noted.round = max(noted.round, max(r.interval for r in reports))
        elif max(r.interval for r in reports) > noted.round:  # alone, a member ends no round that another one has ended
            noted.successes, noted.failures = 0, noted.failures + 1
            noted.round = max(r.interval for r in reports)
        return _resized(noted)

    def _decide(
        self,
        context: Context,
        before: Memory,
        after: BGPBTState,
        order: Sequence[int],
        place: int,
        report: Report,
        model: Model | None,
    ) -> Decision:
        m = report.member
        if report.interval >= context.intervals:
            return Continue(m, "the last interval: nothing would be trained on a copy")
        count = min(max(1, round(self.quantile * len(order))), len(order) // 2)
        if not report.failed and place < len(order) - count:
            return Continue(m, f"ranks {place + 1} of {len(order)}")
        if after.best is None or after.best_fitness is None or after.best == (m, report.interval):
            return Continue(m, f"ranks {place + 1} of {len(order)}, and nobody is healthy to copy")
        donor, interval = after.best
        base, fitness = after.best_hparams, after.best_fitness
        radius = after.length / 2
        hparams, how = proposed(context, before, model, report, base, fitness, explore=self.explore, radius=radius)
        after.memory.take_over(m, fitness, base)
        why = "failed" if report.failed else f"ranks {place + 1} of {len(order)}"
        text = (
            f"{why}: goes back to the best state so far, of member {donor} after interval {interval} ({fitness:.6g}); {how}, "
            f"region {after.length:.3g}: {changes(base, hparams)}"
        )
        return Replace(m, donor, interval, hparams, True, text)


def _resized(state: BGPBTState) -> BGPBTState:
    """Let the trust region grow or shrink where it is time."""
    if state.successes >= _SUCCESSES:
        state.length, state.successes = min(_MOST, state.length * _STEP), 0
    elif state.failures >= _FAILURES:
        state.failures = 0
        state.length /= _STEP
        if state.length < _LEAST:
            state.length, state.memory.rows = _START, []
    return state
