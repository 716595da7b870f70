"""What each member last published: the common part of the states of algorithms that compare members."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from poptrain.core.decisions import Stop
from poptrain.core.ranking import rank
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Context

__all__ = ["Published", "with_structure_of"]


@dataclass(slots=True)
class Published:
    """One entry a member in every list.

    Args:
        intervals: intervals completed at the last report; 0 before the first.
        fitness: what the member is judged by: its last report's, or its donor's after a copy; None where failed.
        hparams: the hyperparameters that earned the fitness.
    """

    intervals: list[int]
    fitness: list[float | None]
    hparams: list[dict[str, Value]]

    @classmethod
    def begin(cls, starts: Sequence[Hparams]) -> Published:
        """Return the state before the first report."""
        return cls([0] * len(starts), [None] * len(starts), [dict(start) for start in starts])

    def copy(self) -> Published:
        """Return a state whose lists can be changed; their entries are replaced, never changed."""
        return Published(list(self.intervals), list(self.fitness), list(self.hparams))

    def noting(self, reports: Iterable[Report]) -> Published:
        """Return the state after some reports."""
        noted = self.copy()
        for report in reports:
            noted.intervals[report.member] = report.interval
            noted.fitness[report.member] = None if report.failed else report.fitness
            noted.hparams[report.member] = dict(report.hparams)
        return noted

    def take_over(self, member: int, donor: int, before: Published) -> None:
        """Judge a member by its donor as it was, until it reports itself."""
        self.fitness[member] = before.fitness[donor]
        self.hparams[member] = before.hparams[donor]

    def stop(self) -> Stop | None:
        """Return the end of the study where everybody has reported and everybody's last interval failed."""
        if not all(self.intervals) or any(fitness is not None for fitness in self.fitness):
            return None
        return Stop(f"all {len(self.fitness)} members failed; the last at interval {max(self.intervals)}")

    def ranking(self, context: Context, reports: Sequence[Report]) -> list[int]:
        """Return the members that have reported from best to worst, failed ones last; ties are drawn for each decision."""
        first = reports[0]
        rng = context.keys.generator("ties", first.member if len(reports) == 1 else -1, first.interval)
        order = rank(np.array([math.nan if f is None else f for f in self.fitness]), rng).tolist()
        return [member for member in order if self.intervals[member]]

    def value(self, member: int) -> float:
        """Return a member's fitness; minus infinity where it failed or has not reported."""
        fitness = self.fitness[member]
        return -math.inf if fitness is None else fitness


def with_structure_of(context: Context, hparams: Hparams, donor: Hparams) -> dict[str, Value]:
    """Return hyperparameters that fit a donor's weights: those that change their shape are the donor's."""
    return {**hparams, **{name: donor[name] for name in context.space.structural}}
