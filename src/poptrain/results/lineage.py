"""Lineage: whose weights every member's weights come from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from poptrain.core.errors import StoreError
from poptrain.core.events import Replaced, Restarted

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
        copies: the replacements, in their order; those that moved no weights are kept, but are no part of any ancestry.
        failed: (member, interval) of intervals without a score.
        restarts: where members began anew from fresh weights, in their order; an ancestry begins there.
    """

    def __init__(
        self,
        population: int,
        completed: Sequence[int],
        copies: Iterable[Replaced],
        failed: Iterable[tuple[int, int]] = (),
        *,
        restarts: Iterable[Restarted] = (),
    ) -> None:
        self.population = population
        self.completed = tuple(completed)
        self.copies = tuple(copies)
        self.failed = frozenset(failed)
        self.restarts = tuple(restarts)
        self._moved: dict[int, list[Replaced | Restarted]] = {}
        moves: list[Replaced | Restarted] = [copy for copy in self.copies if copy.weights]
        for event in (*moves, *self.restarts):
            self._moved.setdefault(event.member, []).append(event)
        for moved in self._moved.values():
            moved.sort(key=lambda event: event.interval)  # a member has one decision after each interval
        self._times = {member: [event.interval for event in moved] for member, moved in self._moved.items()}

    def ancestry(self, member: int, interval: int) -> tuple[Origin, ...]:
        """Return who trained the weights that `member` had after `interval` intervals, oldest stretch first.

        The line begins with a member's first weights, or where it began anew.

        Where a donor in an asynchronous study had trained longer or shorter than its copy, the stretches overlap or leave
        gaps: they count the trainer's own intervals.

        Args:
            member: its number.
            interval: intervals that it had completed, >= 0; with 0 there is nothing that it trained.

        Raises:
            StoreError: the journal's copies lead round in a circle, which no study does.
        """
        found: list[Origin] = []
        while interval > 0:
            source = self._source(member, interval)
            found.append(Origin(member, 1 if source is None else source.interval + 1, interval))
            if not isinstance(source, Replaced):
                break
            self._check_length(found)
            member, interval = source.donor, source.donor_interval
        return tuple(reversed(found))

    def founder(self, member: int, interval: int | None = None) -> int:
        """Return the member whose fresh weights a member's weights after `interval` intervals (None: now) descend from."""
        at = self._now(member) if interval is None else (member, interval)
        origins = self.ancestry(*at)
        return origins[0].member if origins else at[0]

    def alive_ancestors(self) -> tuple[int, ...]:
        """Return the distinct members from whose fresh weights today's population descends."""
        known: dict[tuple[int, int], int] = {}
        return tuple(sorted({self._founder(self._now(member), known) for member in range(self.population)}))

    def copied_into(self, member: int, interval: int) -> Replaced | None:
        """Return the copy of weights that a member received right before its interval number `interval` (>= 1)."""
        source = self._source(member, interval)
        return source if isinstance(source, Replaced) and source.interval == interval - 1 else None

    def begins(self, member: int, interval: int) -> bool:
        """Return whether a member began anew right before its interval number `interval` (>= 1)."""
        source = self._source(member, interval)
        return isinstance(source, Restarted) and source.interval == interval - 1

    def to_json(self) -> dict[str, Any]:
        """Return population, completed intervals, living ancestors, copies and restarts as JSON."""
        return {
            "population": self.population,
            "completed": list(self.completed),
            "alive_ancestors": list(self.alive_ancestors()),
            "failed": [{"member": member, "interval": interval} for member, interval in sorted(self.failed)],
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
            "restarts": [
                {"member": r.member, "interval": r.interval, "hparams": dict(r.hparams), "because": r.because}
                for r in self.restarts
            ],
        }

    def _source(self, member: int, interval: int) -> Replaced | Restarted | None:
        """Return the copy or restart from which the member trained on to reach `interval`: its last one before that."""
        # A copy that a member received after completing `interval` intervals changed nothing about them.
        place = bisect_left(self._times.get(member, ()), interval)
        return self._moved[member][place - 1] if place else None

    def _check_length(self, way: Sequence[object]) -> None:
        if len(way) > len(self.copies):
            raise StoreError("the journal's copies lead round in a circle: it was altered, restore it from a backup")

    def _now(self, member: int) -> tuple[int, int]:
        """Return the (member, interval) that trained the weights a member holds now, a copy since its last report included."""
        moved = self._moved.get(member)
        last = moved[-1] if moved else None
        if last is None or last.interval < self.completed[member]:
            return member, self.completed[member]
        return (last.donor, last.donor_interval) if isinstance(last, Replaced) else (member, 0)

    def _founder(self, at: tuple[int, int], known: dict[tuple[int, int], int]) -> int:
        """Return the founder of the weights of (member, interval), remembering it for every copy on the way."""
        way: list[tuple[int, int]] = []
        while isinstance(source := self._source(*at), Replaced):
            key = (source.member, source.interval)
            if key in known:
                break
            way.append(key)
            self._check_length(way)
            at = (source.donor, source.donor_interval)
        found = known[source.member, source.interval] if isinstance(source, Replaced) else at[0]
        known.update(dict.fromkeys(way, found))
        return found
