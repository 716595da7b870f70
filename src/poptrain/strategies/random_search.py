"""Random search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Stop
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context

__all__ = ["Health", "Nothing", "RandomSearch", "note_health", "starting_points"]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The state of an algorithm that remembers nothing."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of an algorithm that remembers only whose last interval failed.

    Args:
        failed: one entry a member; False before its first report.
    """

    failed: list[bool]


@dataclass(frozen=True)
class RandomSearch(Algorithm[Health]):
    """Draws every member's hyperparameters once and keeps them.

    Args:
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization.
    """

    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = Health

    def init(self, context: Context) -> tuple[Health, tuple[Hparams, ...]]:
        """Return the drawn hyperparameters."""
        return Health([False] * context.population), starting_points(context, self.initial)

    def tell(self, context: Context, state: Health, reports: Sequence[Report]) -> tuple[Health, tuple[Decision, ...]]:
        """Let everybody continue; stop where the whole population has failed."""
        state, stop = note_health(state, reports)
        if stop is not None:
            return state, (stop,)
        return state, tuple(Continue(report.member, "random search never copies") for report in reports)


def note_health(state: Health, reports: Sequence[Report]) -> tuple[Health, Stop | None]:
    """Return the state after the reports, and a Stop where the last interval of every member failed."""
    failed = list(state.failed)
    for report in reports:
        failed[report.member] = report.failed
    last = max(report.interval for report in reports)
    return Health(failed), Stop(f"all {len(failed)} members failed; the last at interval {last}") if all(failed) else None


def starting_points(context: Context, initial: Sequence[Hparams]) -> tuple[Hparams, ...]:
    """Return the first hyperparameters of every member: those given, then draws from the space.

    The draw of a member depends on the seed and its number alone, so every algorithm starts from the same population.
    """
    given = [context.space.validate(hparams) for hparams in initial][: context.population]
    drawn = [context.space.sample(context.keys.generator("start", member)) for member in range(len(given), context.population)]
    return (*given, *drawn)
