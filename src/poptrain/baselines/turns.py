"""Several configurations in one slot: whose turn it is, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poptrain.core.decisions import Continue, Decision, Replace, Restart, Stop
from poptrain.core.errors import BudgetError
from poptrain.core.report import Report
from poptrain.core.values import Hparams
from poptrain.strategies.base import Context

__all__ = ["Turns", "length_of", "take_turns"]

_PATIENCE = 3
"""Failures in a row, as a multiple of the population, after which a study gives up."""


@dataclass(slots=True)
class Turns:
    """Which configuration each member is training, and since when. Configurations are numbered as they begin, from 0.

    Args:
        numbers: one entry a member, the number of its configuration.
        begun: one entry a member, the interval after which its configuration began.
        count: configurations that have begun.
        misses: intervals that failed since anybody's last one that did not.
    """

    numbers: list[int]
    begun: list[int]
    count: int
    misses: int = 0

    @classmethod
    def first(cls, population: int) -> Turns:
        """Return the first turn of everybody."""
        return cls(list(range(population)), [0] * population, population)

    def copy(self) -> Turns:
        """Return turns that can be changed."""
        return Turns(list(self.numbers), list(self.begun), self.count, self.misses)

    def trained(self, report: Report) -> int:
        """Return how many intervals the member has trained its configuration, >= 1."""
        return report.interval - self.begun[report.member]

    def next(self, report: Report) -> int:
        """Begin the next configuration in the member's place and return its number."""
        number = self.count
        self.numbers[report.member] = number
        self.begun[report.member] = report.interval
        self.count += 1
        return number

    def again(self, report: Report) -> int:
        """Begin the member's configuration once more and return its number."""
        self.begun[report.member] = report.interval
        return self.numbers[report.member]

    def note(self, reports: Sequence[Report]) -> Stop | None:
        """Count the failures; return a Stop where for a long time nothing else has come in."""
        for report in reports:
            self.misses = self.misses + 1 if report.failed else 0
        if self.misses < _PATIENCE * len(self.numbers):
            return None
        last = max(report.interval for report in reports)
        return Stop(f"the last {self.misses} intervals all failed, whatever the configuration; the last at interval {last}")


def take_turns(
    context: Context,
    turns: Turns,
    reports: Sequence[Report],
    *,
    count: int,
    length: int,
    hparams_of: Callable[[int, int], Hparams],
) -> tuple[Turns, tuple[Decision, ...]]:
    """Return the turns after the reports, and the decisions of an algorithm that works through a list.

    A turn is over after `length` intervals, or at once where the configuration failed. What is left at the end and too short
    for a whole turn is no turn of a configuration that had none: the member begins its own once more.

    Args:
        count: configurations in the list; larger numbers begin it again.
        hparams_of: from (configuration's number, intervals trained) to the hyperparameters of its next interval.
    """
    turns = turns.copy()
    stop = turns.note(reports)
    if stop is not None:
        return turns, (stop,)
    decisions: list[Decision] = []
    for report in reports:
        m, trained, number = report.member, turns.trained(report), turns.numbers[report.member]
        if report.interval >= context.intervals:
            decisions.append(Continue(m, "the last interval: nothing would be trained any more"))
        elif report.failed or trained >= length:
            why = "failed" if report.failed else f"had its turn of {length} intervals"
            whole = context.intervals - report.interval >= length or turns.count >= count
            following = turns.next(report) if whole else turns.again(report)
            because = f"configuration {number} {why}: configuration {following} begins"
            decisions.append(Restart(m, hparams_of(following, 0), because))
        else:
            because = f"configuration {number}, after {trained} intervals of it"
            decisions.append(_go_on(report, hparams_of(number, trained), because))
    return turns, tuple(decisions)


def _go_on(report: Report, wanted: Hparams, because: str) -> Decision:
    if wanted == report.hparams:
        return Continue(report.member, because)
    return Replace(report.member, report.member, report.interval, wanted, False, because)


def length_of(context: Context, count: int, length: int | None, *, what: str) -> int:
    """Return the intervals of a turn: `length`, or as many as let all `count` configurations have a turn of equal length.

    Raises:
        BudgetError: the study cannot hold all configurations.
    """
    turns = -(-count // context.population)
    chosen = max(1, context.intervals // turns) if length is None else length
    if turns * chosen <= context.intervals:
        return chosen
    room = context.population * (context.intervals // chosen)
    shorter = f"length={context.intervals // turns}, " if context.intervals >= turns else ""
    raise BudgetError(
        f"{what} has {count} configurations of {chosen} intervals each, but {context.population} members with "
        f"{context.intervals} intervals have room for {room}: pass {shorter}intervals={turns * chosen}, a larger population, "
        f"or fewer configurations"
    )
