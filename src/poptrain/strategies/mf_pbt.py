"""Multiple-frequencies PBT: sub-populations that evolve at different rates, and migrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Replace
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.explore import Explore, Perturb, changes
from poptrain.strategies.published import Published, with_structure_of
from poptrain.strategies.random_search import starting_points

__all__ = ["MFPBT"]

_PUBLISHED = (1, 10, 25, 50)


@dataclass(frozen=True)
class MFPBT(Algorithm[Published]):
    """Sub-populations that evolve at different rates, number i after every periods[i] intervals: greedy ones and patient ones.

    Within sub-population i, ranked into quarters at its evolution:

        first and second   go on as they are
        third              are migration slots: the j-th of them takes the weights of the j-th best member of all other
                           sub-populations, where that one is better; with its hyperparameters if it comes from a slower
                           sub-population, else with those of the best of i; nothing is perturbed
        fourth             copy a draw from the first quarter and explore

    All donors are as they were before the first copy. So greedy weights can enter a patient sub-population, but greedy
    hyperparameters cannot.

    Departures from the paper: a quarter of a sub-population of n members has n // 4, so that n need not be divisible by 4, and
    sub-populations may differ by one member; a member that failed copies at once, whatever its period; in asynchronous mode a
    member decides alone, by what all last published; after the last interval nobody copies.

    Args:
        periods: intervals between evolutions of each sub-population, >= 1, rising; at least one. None for the paper's 1, 10,
            25 and 50: as many of them as the population has four members for, cut to half of the study's intervals.
        explore: what the fourth quarter changes.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Doulazmi et al. (2025), Multiple-Frequencies Population-Based Training, arXiv 2506.03225.
    """

    periods: tuple[int, ...] | None = None
    explore: Explore = Perturb((0.8, 1.25))  # noqa: RUF009 (a frozen policy)
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = Published

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", tuple(dict(hparams) for hparams in self.initial))
        if self.periods is not None:
            object.__setattr__(self, "periods", _checked(self.periods))
        if not isinstance(self.explore, Explore):
            raise ConfigError(f"explore must be an explore strategy such as perturb(), got {self.explore!r}")

    def init(self, context: Context) -> tuple[Published, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody."""
        count = len(self.periods_of(context))
        least = 4 * count
        if context.population < least:
            raise ConfigError(
                f"each of {count} sub-populations needs at least 4 members, got {context.population} in all: pass "
                f"population={least} or more, or fewer periods"
            )
        self.explore.check(context.space)
        starts = starting_points(context, self.initial)
        return Published.begin(starts), starts

    def tell(self, context: Context, state: Published, reports: Sequence[Report]) -> tuple[Published, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        before = state.noting(reports)
        stop = before.stop()
        if stop is not None:
            return before, (stop,)
        after = before.copy()
        evolution = _Evolution(self, context, before, before.ranking(context, reports))
        return after, tuple(evolution.decide(report, after) for report in reports)

    def periods_of(self, context: Context) -> tuple[int, ...]:
        """Return the period of each sub-population."""
        if self.periods is not None:
            return self.periods
        room, longest = max(1, context.population // 4), max(1, context.intervals // 2)
        return tuple(sorted({min(period, longest) for period in _PUBLISHED[:room]}))


def _checked(periods: Sequence[int]) -> tuple[int, ...]:
    whole = all(isinstance(p, int) and not isinstance(p, bool) and p >= 1 for p in periods)
    if not periods or not whole or list(periods) != sorted(periods):
        raise ConfigError(f"periods must be rising whole numbers of at least 1, such as (1, 10, 25), got {periods!r}")
    return tuple(periods)


class _Evolution:
    """One call of `tell`: the population as it is before its first decision."""

    def __init__(self, policy: MFPBT, context: Context, seen: Published, order: Sequence[int]) -> None:
        self._policy = policy
        self._context = context
        self._seen = seen
        self._order = order
        self._periods = periods = policy.periods_of(context)
        self._home = [m * len(periods) // context.population for m in range(context.population)]
        self._own: list[list[int]] = [[] for _ in periods]
        self._places: dict[int, int] = {}
        for member in order:
            own = self._own[self._home[member]]
            self._places[member] = len(own)
            own.append(member)
        # The best of all others, at least as many as there are migration slots.
        self._abroad = [self._best_outside(i) for i in range(len(periods))]

    def decide(self, report: Report, after: Published) -> Decision:
        """Return one member's decision and note in `after` what becomes of it."""
        m, i = report.member, self._home[report.member]
        period = self._periods[i]
        if report.interval >= self._context.intervals:
            return Continue(m, "the study is over")
        if report.failed:
            return self._rescue(report, after)
        if report.interval % period:
            return Continue(m, f"sub-population {i} evolves every {period} intervals")
        own, place = self._own[i], self._places[m]
        quarter = len(own) // 4
        if place >= len(own) - quarter:
            return self._copy(report, own[:quarter], f"ranks {place + 1} of {len(own)} in sub-population {i}", after)
        if place >= len(own) - 2 * quarter:
            return self._migrate(report, place - (len(own) - 2 * quarter), after)
        return Continue(m, f"ranks {place + 1} of {len(own)} in sub-population {i}")

    def _best_outside(self, i: int) -> list[int]:
        own = len(self._own[i])
        return [x for x in self._order[: own + own // 4] if self._home[x] != i]

    def _rescue(self, report: Report, after: Published) -> Decision:
        own = self._own[self._home[report.member]]
        healthy = [x for x in own if self._seen.fitness[x] is not None][: max(1, len(own) // 4)]
        anybody = [x for x in self._order if self._seen.fitness[x] is not None][:1]
        if not healthy and not anybody:
            return Continue(report.member, "failed, and nobody is healthy yet")
        return self._copy(report, healthy or anybody, "failed", after)

    def _copy(self, report: Report, donors: Sequence[int], because: str, after: Published) -> Decision:
        m, seen = report.member, self._seen
        rng = self._context.keys.generator("exploit", m, report.interval)
        donor = donors[int(rng.random() * len(donors))]
        base = seen.hparams[donor]
        hparams = self._policy.explore(rng, self._context.space, base)
        after.take_over(m, donor, seen)
        text = f"{because}: copies member {donor} ({seen.value(donor):.6g}); {changes(base, hparams)}"
        return Replace(m, donor, seen.intervals[donor], hparams, True, text)

    def _migrate(self, report: Report, slot: int, after: Published) -> Decision:
        m, seen, i = report.member, self._seen, self._home[report.member]
        abroad = self._abroad[i]
        if slot >= len(abroad) or seen.value(abroad[slot]) <= seen.value(m):
            return Continue(m, f"no member of another sub-population outranks it in its migration slot {slot + 1}")
        donor = abroad[slot]
        slower = self._periods[self._home[donor]] > self._periods[i]
        source = seen.hparams[donor] if slower else seen.hparams[self._own[i][0]]
        hparams = with_structure_of(self._context, source, seen.hparams[donor])
        after.take_over(m, donor, seen)
        after.hparams[m] = hparams
        whose = "its own" if slower else f"those of member {self._own[i][0]}"
        text = (
            f"migration slot {slot + 1} of sub-population {i}: the weights of member {donor} ({seen.value(donor):.6g}) from "
            f"sub-population {self._home[donor]}, hyperparameters {whose}"
        )
        return Replace(m, donor, seen.intervals[donor], hparams, True, text)
