"""Training under a schedule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

from poptrain.core.decisions import Continue, Decision, Replace
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.random_search import Health, note_health

__all__ = ["Replay", "Scheduled"]


class Stretch(Protocol):
    """Constant hyperparameters from a step on."""

    @property
    def start_step(self) -> int:
        """The first step, counted from 0."""
        ...

    @property
    def hparams(self) -> Mapping[str, Value]:
        """The hyperparameters."""
        ...


class Scheduled(Protocol):
    """What a schedule is to this module; `poptrain.results.Schedule` is one."""

    @property
    def spans(self) -> Sequence[Stretch]:
        """The stretches, in their order."""
        ...


@dataclass(frozen=True)
class Replay(Algorithm[Health]):
    """Gives every member the same hyperparameters, interval by interval, and copies nobody.

    A schedule found by a population is worth something if networks that are trained from scratch under it get as far.

    Args:
        points: (interval from which on, counted from 0; hyperparameters), in rising order, the first at 0. The last ones hold
            to the end, however many intervals there are.

    Example:
        >>> dict(Replay(((0, {"lr": 0.1}), (5, {"lr": 0.01}))).at(4))
        {'lr': 0.1}
    """

    points: tuple[tuple[int, Mapping[str, Value]], ...]
    state_type: ClassVar[type[Any]] = Health

    def __post_init__(self) -> None:
        points = tuple((int(interval), dict(hparams)) for interval, hparams in self.points)
        starts = [interval for interval, _ in points]
        if not points or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise ConfigError(f"a schedule's points begin at interval 0 and rise, got intervals {starts}")
        object.__setattr__(self, "points", points)

    @classmethod
    def of(cls, schedule: Scheduled, interval_steps: int) -> Replay:
        """Return the replay of a schedule in intervals of `interval_steps` steps.

        Raises:
            ConfigError: the schedule is empty, or changes inside of an interval.
        """
        if not schedule.spans:
            raise ConfigError("an empty schedule cannot be replayed: the study has no best member yet")
        points: list[tuple[int, Mapping[str, Value]]] = []
        for span in schedule.spans:
            if span.start_step % interval_steps:
                raise ConfigError(
                    f"the schedule changes at step {span.start_step}, inside of an interval of {interval_steps} steps: "
                    f"replay it with an interval_steps that divides every change"
                )
            if not points or dict(points[-1][1]) != dict(span.hparams):
                points.append((span.start_step // interval_steps, dict(span.hparams)))
        return cls(tuple(points))

    def at(self, interval: int) -> Mapping[str, Value]:
        """Return the hyperparameters of the interval with `interval` (>= 0) completed before it."""
        return self.points[bisect_right([start for start, _ in self.points], interval) - 1][1]

    def init(self, context: Context) -> tuple[Health, tuple[Hparams, ...]]:
        """Return the schedule's first hyperparameters for everybody."""
        for _, hparams in self.points:
            context.space.validate(hparams)
        return Health([False] * context.population), (self.at(0),) * context.population

    def tell(self, context: Context, state: Health, reports: Sequence[Report]) -> tuple[Health, tuple[Decision, ...]]:
        """Give each member the hyperparameters of its next interval."""
        state, stop = note_health(state, reports)
        if stop is not None:
            return state, (stop,)
        return state, tuple(self._decide(context, report) for report in reports)

    def _decide(self, context: Context, report: Report) -> Decision:
        wanted = dict(self.at(report.interval))
        if report.interval >= context.intervals or wanted == dict(report.hparams):
            return Continue(report.member, "the schedule does not change here")
        because = f"the schedule's point at interval {report.interval}"
        return Replace(report.member, report.member, report.interval, wanted, False, because)
