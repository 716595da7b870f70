"""Training under a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Replace, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.random_search import Nothing

__all__ = ["Replay"]


@dataclass(frozen=True)
class Replay(Algorithm[Nothing]):
    """Gives every member the same hyperparameters, interval by interval.

    Args:
        points: (interval from which on, counted from 0; hyperparameters), in rising order, the first at 0.
    """

    points: tuple[tuple[int, Mapping[str, Value]], ...]
    state_type: ClassVar[type[Any]] = Nothing

    def __post_init__(self) -> None:
        points = tuple((int(interval), dict(hparams)) for interval, hparams in self.points)
        starts = [interval for interval, _ in points]
        if not points or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise ConfigError(f"a schedule's points begin at interval 0 and rise, got intervals {starts}")
        object.__setattr__(self, "points", points)

    def at(self, interval: int) -> Mapping[str, Value]:
        """Return the hyperparameters of the interval with `interval` completed before it."""
        return [hparams for start, hparams in self.points if start <= interval][-1]

    def init(self, context: Context) -> tuple[Nothing, tuple[Hparams, ...]]:
        """Return the schedule's first hyperparameters for everybody."""
        for _, hparams in self.points:
            context.space.validate(hparams)
        return Nothing(), (self.at(0),) * context.population

    def tell(self, context: Context, state: Nothing, reports: Sequence[Report]) -> tuple[Nothing, tuple[Decision, ...]]:
        """Give each member the hyperparameters of its next interval."""
        if len(reports) == context.population and all(report.failed for report in reports):
            return state, (Stop(f"all {len(reports)} members failed in interval {reports[0].interval}"),)
        return state, tuple(self._decide(context, report) for report in reports)

    def _decide(self, context: Context, report: Report) -> Decision:
        wanted = dict(self.at(report.interval))
        if report.interval >= context.intervals or wanted == dict(report.hparams):
            return Continue(report.member, "the schedule does not change here")
        because = f"the schedule's point at interval {report.interval}"
        return Replace(report.member, report.member, report.interval, wanted, False, because)
