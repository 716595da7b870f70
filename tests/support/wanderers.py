"""An algorithm that begins anew, goes back and copies as often as it can, for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import poptrain as pt
from poptrain.core.decisions import Continue, Decision, Replace, Restart
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Context
from poptrain.strategies.random_search import starting_points


@dataclass(slots=True)
class Best:
    """The best (member, interval) so far; the same one before that."""

    at: tuple[int, int] | None = None
    fitness: float = -1e300
    hparams: dict[str, Value] = field(default_factory=dict)
    before: tuple[int, int] | None = None


@dataclass(frozen=True)
class Wander(pt.Algorithm[Best]):
    """After odd intervals the worst begins anew; the next to worst goes back to the best state of old.

    The third to worst copies the worst, who forgets that very state; the best state's own member goes back to it too.
    """

    keeping: bool = True
    state_type: ClassVar[type[Any]] = Best

    def init(self, context: Context) -> tuple[Best, tuple[Hparams, ...]]:
        return Best(), starting_points(context, ())

    def tell(self, context: Context, state: Best, reports: Sequence[Report]) -> tuple[Best, tuple[Decision, ...]]:
        order = sorted(reports, key=lambda report: report.fitness)
        top = order[-1]
        after = state
        if top.fitness > state.fitness:
            after = Best((top.member, top.interval), top.fitness, dict(top.hparams), state.at)
        places = {report.member: place for place, report in enumerate(order)}
        return after, tuple(self._decide(context, state, r, places[r.member], order[0]) for r in reports)

    def keeps(self, state: Best) -> Iterable[tuple[int, int]]:
        return [at for at in (state.at, state.before) if at is not None] if self.keeping else []

    def _decide(self, context: Context, state: Best, report: Report, place: int, worst: Report) -> Decision:
        m, rng = report.member, context.keys.generator("wander", report.member, report.interval)
        if report.interval >= context.intervals:
            return Continue(m, "the end")
        drawn = context.space.sample(rng)
        if place == 0 and report.interval % 2:
            return Restart(m, drawn, "the worst one")
        if state.at is not None and (place == 1 or state.at[0] == m or report is worst):
            return Replace(m, *state.at, drawn, True, "back to the best one")
        if place == 2:
            return Replace(m, worst.member, worst.interval, drawn, True, "as bad as the worst one")
        return Continue(m, "well enough")
