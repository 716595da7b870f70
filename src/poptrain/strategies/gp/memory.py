"""What the algorithms with a model remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from poptrain.core.report import Report
from poptrain.core.values import Hparams
from poptrain.space import Choice, Space
from poptrain.strategies.gp.bandit import rewarded
from poptrain.strategies.gp.rows import Row, kinds_of, place_of
from poptrain.strategies.published import Published

__all__ = ["Memory"]

_KEPT = 1_000
"""Rows that are remembered; the model looks at fewer."""


@dataclass(slots=True)
class Memory:
    """Rows, weights of options, and what members last published.

    Args:
        seen: what each member last published.
        before: fitness of the state that each member's next interval begins with; None where it is not known.
        rows: what has been tried, oldest first.
        weights: of the options of each unordered choice.
    """

    seen: Published
    before: list[float | None]
    rows: list[Row] = field(default_factory=list)
    weights: list[list[float]] = field(default_factory=list)

    @classmethod
    def begin(cls, space: Space, starts: Sequence[Hparams]) -> Memory:
        """Return the state before the first report."""
        weights = []
        for name in kinds_of(space)[1]:
            domain = space[name]
            assert isinstance(domain, Choice)
            weights.append([1.0] * len(domain.options))
        return cls(Published.begin(starts), [None] * len(starts), [], weights)

    def copy(self) -> Memory:
        """Return a state whose lists can be changed; rows are replaced, never changed."""
        return Memory(self.seen.copy(), list(self.before), list(self.rows), [list(w) for w in self.weights])

    def noting(self, space: Space, reports: Sequence[Report]) -> Memory:
        """Return the state after some reports; a member's first interval makes no row, since nobody knows where it began."""
        noted = self.copy()
        noted.seen = self.seen.noting(reports)
        fresh = []
        for report in reports:
            before = self.before[report.member]
            if before is not None:
                gain = None if report.failed else report.fitness - before
                fresh.append(Row(report.interval, before, gain, *place_of(space, report.hparams)))
            noted.before[report.member] = None if report.failed else report.fitness
        noted.rows = [*self.rows, *fresh][-_KEPT:]
        noted._reward(fresh)
        return noted

    def take_over(self, member: int, fitness: float | None, hparams: Hparams) -> None:
        """Judge a member by what it copied, until it reports itself; its next gain is measured from there."""
        self.seen.fitness[member], self.seen.hparams[member] = fitness, dict(hparams)
        self.before[member] = fitness

    def _reward(self, fresh: Sequence[Row]) -> None:
        """Reward the options of new rows by where their gains lie among all that are known."""
        gains = [row.gain for row in self.rows if row.gain is not None]
        low, width = min(gains, default=0.0), max(gains, default=0.0) - min(gains, default=0.0)
        for row in fresh:
            reward = 0.0 if row.gain is None or not width else (row.gain - low) / width
            for number, option in enumerate(row.options):
                self.weights[number] = rewarded(self.weights[number], option, reward)
