"""Random search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Stop
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context

__all__ = ["Nothing", "RandomSearch", "starting_points"]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The state of an algorithm that remembers nothing."""


@dataclass(frozen=True)
class RandomSearch(Algorithm[Nothing]):
    """Draws every member's hyperparameters once and keeps them.

    Args:
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization.
    """

    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = Nothing

    def init(self, context: Context) -> tuple[Nothing, tuple[Hparams, ...]]:
        """Return the drawn hyperparameters."""
        return Nothing(), starting_points(context, self.initial)

    def tell(self, context: Context, state: Nothing, reports: Sequence[Report]) -> tuple[Nothing, tuple[Decision, ...]]:
        """Let everybody continue; stop where the whole population has failed."""
        if len(reports) == context.population and all(report.failed for report in reports):
            return state, (Stop(f"all {len(reports)} members failed in interval {reports[0].interval}"),)
        return state, tuple(Continue(report.member, "random search never copies") for report in reports)


def starting_points(context: Context, initial: Sequence[Hparams]) -> tuple[Hparams, ...]:
    """Return the first hyperparameters of every member: those given, then draws from the space.

    The draw of a member depends on the seed and its number alone, so every algorithm starts from the same population.
    """
    given = [context.space.validate(hparams) for hparams in initial][: context.population]
    drawn = [context.space.sample(context.keys.generator("start", member)) for member in range(len(given), context.population)]
    return (*given, *drawn)
