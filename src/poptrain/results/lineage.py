"""Lineage: whose weights every member's weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from poptrain.core.events import Replaced

__all__ = ["Lineage", "Origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A stretch of one line of weights: trained by `member` from interval `first` to `last`, both counted from 1."""

    member: int
    first: int
    last: int


class Lineage:
    """The copies of a study, and what follows from them.

    Args:
        population: number of members.
        completed: intervals completed by each.
        copies: the replacements, in their order.
    """

    def __init__(self, population: int, completed: Sequence[int], copies: Iterable[Replaced]) -> None:
        self.population = population
        self.completed = tuple(completed)
        self.copies = tuple(copies)
        self._moved: dict[int, list[Replaced]] = {}
        for copy in self.copies:
            if copy.weights:
                self._moved.setdefault(copy.member, []).append(copy)

    def ancestry(self, member: int, interval: int) -> tuple[Origin, ...]:
        """Return who trained the weights that `member` had after `interval` intervals, oldest stretch first.

        Where a donor in an asynchronous study had trained longer or shorter than its copy, the stretches overlap or leave
        gaps in interval numbers: they count the trainer's own intervals.
        """
        found: list[Origin] = []
        at = (member, interval)
        while at[1] > 0:
            source = self._source(*at)
            first = 1 if source is None else source.interval + 1
            found.append(Origin(at[0], first, at[1]))
            if source is None:
                break
            at = (source.donor, source.donor_interval)
        return tuple(reversed(found))

    def founder(self, member: int, interval: int | None = None) -> int:
        """Return the member whose first weights a member's weights descend from."""
        origins = self.ancestry(member, self.completed[member] if interval is None else interval)
        return origins[0].member if origins else member

    def founders_alive(self) -> tuple[int, ...]:
        """Return the distinct members from whose first weights today's population descends."""
        return tuple(sorted({self.founder(*self._now(member)) for member in range(self.population)}))

    def to_json(self) -> dict[str, Any]:
        """Return population, completed intervals and copies as JSON."""
        return {
            "population": self.population,
            "completed": list(self.completed),
            "founders_alive": list(self.founders_alive()),
            "copies": [
                {
                    "member": c.member,
                    "interval": c.interval,
                    "donor": c.donor,
                    "donor_interval": c.donor_interval,
                    "weights": c.weights,
                    "hparams": dict(c.hparams),
                    "because": c.because,
                }
                for c in self.copies
            ],
        }

    def _source(self, member: int, interval: int) -> Replaced | None:
        """Return the copy from which the member trained on to reach `interval`: its last one before that."""
        before = [copy for copy in self._moved.get(member, ()) if copy.interval < interval]
        return before[-1] if before else None

    def _now(self, member: int) -> tuple[int, int]:
        """Return the (member, interval) that trained the weights a member holds now, a copy since its last report included."""
        moved = self._moved.get(member, ())
        if moved and moved[-1].interval == self.completed[member]:
            return moved[-1].donor, moved[-1].donor_interval
        return member, self.completed[member]
