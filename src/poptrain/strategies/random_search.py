"""Random search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Restart, Stop
from poptrain.core.errors import BudgetError, ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context

__all__ = ["Health", "Nothing", "RandomSearch", "check_length", "note_health", "starting_points"]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The state of an algorithm that remembers nothing."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of an algorithm that remembers only whose last interval failed.

    Args:
        failed: one entry a member; False before its first report.
        misses: intervals that failed since anybody's last one that did not.
    """

    failed: list[bool]
    misses: int = 0


@dataclass(frozen=True)
class RandomSearch(Algorithm[Health]):
    """Draws hyperparameters from the space and keeps them; copies nobody.

    With `length`, each member tries one configuration after another, every one from a fresh network: a new one is drawn after
    every so many intervals, and at once where the present one failed. So a small population can see as many configurations as
    the budget has room for; none of them trains longer than `length`.

    Args:
        initial: hyperparameters of the first members; the others are drawn.
        length: intervals that a configuration is trained, >= 1; None for all of the study's.

    Example:
        >>> RandomSearch(length=10)  # ten intervals each
        RandomSearch(initial=(), length=10)

    References:
        Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization.
    """

    initial: tuple[Mapping[str, Value], ...] = ()
    length: int | None = None
    state_type: ClassVar[type[Any]] = Health

    def __post_init__(self) -> None:
        check_length(self.length)

    def init(self, context: Context) -> tuple[Health, tuple[Hparams, ...]]:
        """Return the drawn hyperparameters.

        Raises:
            BudgetError: the study is too short for a single configuration.
        """
        if self.length is not None and self.length > context.intervals:
            raise BudgetError(
                f"length must be at most the study's intervals, got length={self.length} and intervals={context.intervals}: "
                f"pass length=None or intervals={self.length}"
            )
        return Health([False] * context.population), starting_points(context, self.initial)

    def tell(self, context: Context, state: Health, reports: Sequence[Report]) -> tuple[Health, tuple[Decision, ...]]:
        """Let everybody continue, or draw anew where a configuration has had its turn; stop where nothing trains at all."""
        state, stop = note_health(state, reports, patience=1 if self.length is None else _PATIENCE)
        if stop is not None:
            return state, (stop,)
        return state, tuple(self._decide(context, report) for report in reports)

    def _decide(self, context: Context, report: Report) -> Decision:
        m, interval, length = report.member, report.interval, self.length
        if length is None or interval >= context.intervals or (interval % length and not report.failed):
            return Continue(m, "random search never copies")
        why = "failed" if report.failed else f"had its turn of {length} intervals"
        hparams = context.space.sample(context.keys.generator("restart", m, interval))
        return Restart(m, hparams, f"the configuration {why}: another one is drawn")


_PATIENCE = 3
"""Failures in a row, as a multiple of the population, after which one that tries many configurations gives up."""


def check_length(length: int | None) -> None:
    """Raise ConfigError unless `length` is None or a number of intervals that a configuration can be trained."""
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
        raise ConfigError(f"length must be a whole number of intervals of at least 1, or None, got {length!r}")


def note_health(state: Health, reports: Sequence[Report], *, patience: int = 1) -> tuple[Health, Stop | None]:
    """Return the state after the reports, and a Stop where the last interval of every member failed.

    Args:
        patience: a study ends only after so many failures in a row for each member, >= 1.
    """
    failed, misses = list(state.failed), state.misses
    for report in reports:
        failed[report.member] = report.failed
        misses = misses + 1 if report.failed else 0
    last = max(report.interval for report in reports)
    hopeless = all(failed) and (patience == 1 or misses >= patience * len(failed))
    stop = Stop(f"all {len(failed)} members failed; the last at interval {last}") if hopeless else None
    return Health(failed, misses), stop


def starting_points(context: Context, initial: Sequence[Hparams]) -> tuple[Hparams, ...]:
    """Return the first hyperparameters of every member: those given, then draws from the space.

    The draw of a member depends on the seed and its number alone, so every algorithm starts from the same population.
    """
    given = [context.space.validate(hparams) for hparams in initial][: context.population]
    drawn = [context.space.sample(context.keys.generator("start", member)) for member in range(len(given), context.population)]
    return (*given, *drawn)
