"""Restarts: when the population stagnates, part of it begins anew and everybody becomes more patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from poptrain.core.decisions import Decision, Replace, Restart, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.pbt import PBT, PBTState
from poptrain.strategies.published import Published, with_structure_of

__all__ = ["Restarts", "RestartsState"]


@dataclass(slots=True)
class RestartsState:
    """What is remembered beside PBT's own state.

    Args:
        inner: the state of PBT.
        generation: number of restarts so far.
        generations: the generation of each member; one behind until its next report.
        began: the interval at which the generation began.
        best: the best score of this generation's members after every interval since then; None where nobody had one.
    """

    inner: PBTState
    generation: int
    generations: list[int]
    began: int = 0
    best: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Restarts(Algorithm[RestartsState]):
    """PBT that begins anew when its best score stagnates, and then exploits half as often.

        b_t         best score of the population after interval t of a generation
        s_t         mean of the last `window` of them
        stagnation  max(s) has not risen by more than `least_rise` for `patience` periods of exploitation

    A generation ends with stagnation. The worse half of the population (`fresh`) begins anew from fresh weights, the others
    copy the top quarter; everybody draws new hyperparameters, and the period of exploitation is multiplied by `growth`. The
    best checkpoint of earlier generations stays the study's best until it is beaten.

    Departures from the paper: the weights of the top quarter are taken as they are, not shrunk and perturbed, since an
    algorithm does not see weights; hyperparameters are drawn from the space, not proposed by a model of earlier generations;
    the new generation is not selected from twice as many members. A generation that could not exploit twice before the end of
    the study is not begun.

    Args:
        inner: what happens within a generation; its `ready_interval` is that of the first one.
        patience: periods without a rise, >= 1.
        window: intervals over which the best score is averaged, >= 1.
        least_rise: rise of the averaged best score that counts as one, >= 0.
        growth: factor of the period, a whole number >= 1.
        fresh: part of the population that begins from fresh weights, 0 < fresh <= 1.

    References:
        Chebykin et al. (2025), Iterated Population Based Training with task-agnostic restarts, arXiv 2511.09190.
    """

    inner: PBT = PBT()  # noqa: RUF009 (a frozen policy)
    patience: int = 3
    window: int = 3
    least_rise: float = 0.0
    growth: int = 2
    fresh: float = 0.5
    state_type: ClassVar[type[Any]] = RestartsState

    def __post_init__(self) -> None:
        if not isinstance(self.inner, PBT) or self.inner.exploit is None:
            raise ConfigError(f"inner must be PBT with an exploit strategy, got {self.inner!r}")
        for name in ("patience", "window", "growth"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}")
        if not (self.least_rise >= 0 and math.isfinite(self.least_rise)):
            raise ConfigError(f"least_rise must be a finite number of at least 0, got {self.least_rise!r}")
        if isinstance(self.fresh, bool) or not 0 < self.fresh <= 1:
            raise ConfigError(f"fresh must be more than 0 and at most 1, got {self.fresh!r}: 0.5 is usual")

    def init(self, context: Context) -> tuple[RestartsState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody."""
        inner, starts = self.inner.init(context)
        return RestartsState(inner, 0, [0] * context.population), starts

    def tell(
        self, context: Context, state: RestartsState, reports: Sequence[Report]
    ) -> tuple[RestartsState, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        policy = replace(self.inner, ready_interval=self.period(state.generation))
        inner, decisions = policy.tell(context, state.inner, reports)
        after = RestartsState(inner, state.generation, list(state.generations), state.began, list(state.best))
        if any(isinstance(decision, Stop) for decision in decisions):
            return after, decisions
        self._note(after, reports)
        interval = max(report.interval for report in reports)
        if self._stagnates(after) and context.intervals - interval >= 2 * self.period(after.generation + 1):
            after.generation, after.began, after.best = after.generation + 1, interval, []
        seen = Published(state.inner.intervals, state.inner.fitness, state.inner.hparams).noting(reports)
        order = seen.ranking(context, reports)
        places = {member: place for place, member in enumerate(order)}
        kept = [
            self._begin(context, after, report, seen, order, places[report.member])
            if self._behind(context, after, report)
            else decision
            for report, decision in zip(reports, decisions, strict=True)
        ]
        return after, tuple(kept)

    def period(self, generation: int) -> int:
        """Return the intervals between a generation's exploitations."""
        return int(self.inner.ready_interval * self.growth**generation)

    def _note(self, after: RestartsState, reports: Sequence[Report]) -> None:
        for report in reports:
            place = report.interval - after.began - 1
            if report.failed or after.generations[report.member] < after.generation or place < 0:
                continue
            after.best += [None] * (place + 1 - len(after.best))
            best = after.best[place]
            after.best[place] = report.fitness if best is None else max(best, report.fitness)

    def _stagnates(self, after: RestartsState) -> bool:
        known = [score for score in after.best if score is not None]
        wait = self.patience * self.period(after.generation)
        means = [sum(known[i - self.window : i]) / self.window for i in range(self.window, len(known) + 1)]
        return len(means) > wait and max(means[-wait:]) <= max(means[:-wait]) + self.least_rise

    @staticmethod
    def _behind(context: Context, after: RestartsState, report: Report) -> bool:
        return after.generations[report.member] < after.generation and report.interval < context.intervals

    def _begin(
        self, context: Context, after: RestartsState, report: Report, seen: Published, order: Sequence[int], place: int
    ) -> Decision:
        """Return a member's first decision in its new generation, in place of PBT's."""
        m, inner = report.member, after.inner
        rng = context.keys.generator("restart", m, report.interval)
        drawn, draw = context.space.sample(rng), float(rng.random())
        why = f"no rise for {self.patience} periods: generation {after.generation}"
        donors = [x for x in order[: max(1, context.population // 4)] if seen.fitness[x] is not None]
        after.generations[m] = after.generation
        inner.histories[m], inner.copied[m] = [], -1
        if place >= round(len(order) * (1 - self.fresh)) or not donors:
            inner.intervals[m], inner.fitness[m] = 0, None  # as if it had never reported
            return Restart(m, drawn, f"{why} from fresh weights")
        donor = donors[int(draw * len(donors))]
        inner.fitness[m], inner.hparams[m] = seen.fitness[donor], seen.hparams[donor]
        hparams = with_structure_of(context, drawn, seen.hparams[donor])
        moves = donor != m
        text = f"{why} from {f'the weights of member {donor}' if moves else 'its own weights'}"
        return Replace(m, donor, seen.intervals[donor], hparams, moves, text)
