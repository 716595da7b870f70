"""Population Based Training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from poptrain.core.decisions import Continue, Decision, Replace, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.ranking import rank
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.exploit import Exploit, Field, Truncation
from poptrain.strategies.exploit.base import Choice
from poptrain.strategies.explore import Chain, Explore, Perturb, Resample, changes
from poptrain.strategies.random_search import starting_points

__all__ = ["PBT", "PBTState"]

Copied = Literal["both", "weights", "hyperparameters"]
Compare = Literal["latest", "equal_step"]


@dataclass(slots=True)
class PBTState:
    """What each member last published; every list has one entry a member.

    Args:
        intervals: intervals completed at the last report; 0 before the first.
        fitness: what the member is judged by: its last report's, or its donor's after a copy; None where failed.
        hparams: its hyperparameters.
        histories: its last evaluations, oldest first, as many as the exploit strategy needs; its donor's after a copy.
        copied: the interval after which it last took over weights; -1 for never.
        curves: its fitness after every interval, where comparisons are at equal steps.
    """

    intervals: list[int]
    fitness: list[float | None]
    hparams: list[dict[str, Value]]
    histories: list[list[float]] = field(default_factory=list)
    copied: list[int] = field(default_factory=list)
    curves: list[list[float | None]] = field(default_factory=list)

    def copy(self) -> PBTState:
        """Return a state whose lists can be changed; their entries are replaced, never changed."""
        return PBTState(*(list(getattr(self, name)) for name in self.__slots__))


@dataclass(frozen=True)
class PBT(Algorithm[PBTState]):
    """Population Based Training: a ready member may copy a better one (exploit) and then changes its hyperparameters (explore).

    Members are compared by what they last published. In synchronous mode that is one and the same interval for all, and all
    decisions are taken on the population as it is before the first copy. Members that failed rank last, never donate, and are
    replaced whatever the exploit strategy. After the last interval nobody copies, since nothing would be trained on it.

    Departures from the paper: a copy is judged by its donor's score, and has its donor's evaluations, until it reports itself.
    A copy therefore is neither a second target in the same moment nor a donor with a stranger's score.

    Args:
        exploit: who copies whom; None for nobody, which is random search.
        explore: what a copy changes; None for nothing.
        ready_interval: a member is ready after every so many intervals, >= 1.
        burn_in: intervals before anybody is ready, >= 0.
        copy: "both", "weights" (a member explores from its own hyperparameters), or "hyperparameters" (it keeps its weights).
        compare: "latest", or "equal_step": by the scores after as many intervals as the member itself has completed.
        max_lag: only members at most so many intervals ahead or behind are compared; None for all.
        grace: intervals after a copy in which a healthy member is not replaced again, >= 0.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, algorithm 1.
    """

    exploit: Exploit | None = Truncation(0.2)
    explore: Explore | None = Chain((Resample(0.25), Perturb((0.8, 1.2))))
    ready_interval: int = 1
    burn_in: int = 0
    copy: Copied = "both"
    compare: Compare = "latest"
    max_lag: int | None = None
    grace: int = 0
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = PBTState

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", tuple(dict(hparams) for hparams in self.initial))
        if self.exploit is not None and not isinstance(self.exploit, Exploit):
            raise ConfigError(f"exploit must be an exploit strategy such as truncation(), or None, got {self.exploit!r}")
        if self.explore is not None and not isinstance(self.explore, Explore):
            raise ConfigError(f"explore must be an explore strategy such as perturb(), or None, got {self.explore!r}")
        for name, least in (("ready_interval", 1), ("burn_in", 0), ("grace", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.max_lag is not None and (not isinstance(self.max_lag, int) or self.max_lag < 0):
            raise ConfigError(f"max_lag must be a whole number of intervals of at least 0, or None, got {self.max_lag!r}")
        if self.copy not in get_args(Copied):
            raise ConfigError(f"copy must be one of {', '.join(get_args(Copied))}, got {self.copy!r}")
        if self.compare not in get_args(Compare):
            raise ConfigError(f"compare must be one of {', '.join(get_args(Compare))}, got {self.compare!r}")

    def init(self, context: Context) -> tuple[PBTState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody."""
        n = context.population
        if self.exploit is not None:
            if n < 2:
                raise ConfigError(f"population must be at least 2 for exploitation, got {n}: pass population=2 or exploit=None")
            self.exploit.check(n)
        if self.explore is not None:
            self.explore.check(context.space)
        if self.copy == "weights" and context.space.structural:
            raise ConfigError(
                f"copy='weights' cannot be combined with the structural hyperparameters "
                f"{', '.join(context.space.structural)}, which belong to the weights: pass copy='both'"
            )
        starts = starting_points(context, self.initial)
        state = PBTState([0] * n, [None] * n, [dict(h) for h in starts], [[] for _ in range(n)], [-1] * n)
        state.curves = [[] for _ in range(n if self.compare == "equal_step" else 0)]
        return state, starts

    def tell(self, context: Context, state: PBTState, reports: Sequence[Report]) -> tuple[PBTState, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        before = self._note(state, reports)
        if all(before.intervals) and all(fitness is None for fitness in before.fitness):
            return before, (Stop(f"all {context.population} members failed; the last at interval {reports[-1].interval}"),)
        round_of = _Round(self, context, before, reports)
        after = before.copy()
        decisions = tuple(round_of.decide(report, after) for report in reports)
        return after, decisions

    def ready(self, context: Context, interval: int) -> bool:
        """Return whether a member that has completed `interval` intervals may copy."""
        return self.burn_in < interval < context.intervals and interval % self.ready_interval == 0

    def _note(self, state: PBTState, reports: Sequence[Report]) -> PBTState:
        noted = state.copy()
        length = 1 if self.exploit is None else self.exploit.history
        for report in reports:
            m = report.member
            fitness = None if report.failed else report.fitness
            noted.intervals[m] = report.interval
            noted.fitness[m] = fitness
            noted.hparams[m] = dict(report.hparams)
            if length > 1 and fitness is not None:
                noted.histories[m] = [*noted.histories[m], fitness][-length:]
            if self.compare == "equal_step":
                noted.curves[m] = [*noted.curves[m], fitness]
        return noted


class _Round:
    """One call of `tell`: the population as it is before its first decision."""

    def __init__(self, policy: PBT, context: Context, state: PBTState, reports: Sequence[Report]) -> None:
        self._policy = policy
        self._context = context
        self._state = state
        first = reports[0]
        alone = len(reports) == 1
        # One order for everybody who decides at the same time; later ones break ties anew.
        self._ties = context.keys.integer("ties", first.member if alone else -1, first.interval)
        self._fields: dict[int, Field] = {}
        self._fitness = np.array([math.nan if f is None else f for f in state.fitness])
        self._intervals = np.array(state.intervals)

    def decide(self, report: Report, after: PBTState) -> Decision:
        """Return one member's decision and note in `after` what becomes of it."""
        m, policy = report.member, self._policy
        if policy.exploit is None:
            return Continue(m, "exploitation is off")
        if not policy.ready(self._context, report.interval):
            return Continue(m, f"not ready after interval {report.interval}")
        since = report.interval - self._state.copied[m]
        if not report.failed and self._state.copied[m] >= 0 and since <= policy.grace:
            return Continue(m, f"copied {since} intervals ago, within the grace of {policy.grace}")
        field = self._field(report.interval)
        position = int(np.searchsorted(field.members, m))
        rng = self._context.keys.generator("exploit", m, report.interval) if self._acts(field, position) else None
        choice = None if rng is None else self._choose(policy.exploit, field, position, rng)
        if choice is None or rng is None:
            fitness = "failed" if report.failed else f"fitness {report.fitness:.6g}"
            return Continue(m, f"{fitness} ranks {field.ranks[position] + 1} of {len(field.members)}: goes on as it is")
        return self._replace(report, int(field.members[choice.donor]), choice.because, rng, after)

    def _acts(self, field: Field, position: int) -> bool:
        """Whether a draw can change anything; spares the generator of everybody else."""
        if not math.isfinite(field.fitness[position]):
            return field.healthy > 0
        exploit = self._policy.exploit
        return exploit is not None and field.healthy > 1 and exploit.may_replace(field, position)

    def _choose(self, exploit: Exploit, field: Field, position: int, rng: np.random.Generator) -> Choice | None:
        if math.isfinite(field.fitness[position]):
            return exploit.choose(field, position, rng)
        donors = exploit.donors(field)
        donor = int(donors[int(rng.integers(len(donors)))])
        return Choice(donor, f"failed: copies member {field.members[donor]} ({field.fitness[donor]:.6g})")

    def _replace(self, report: Report, donor: int, because: str, rng: np.random.Generator, after: PBTState) -> Decision:
        m, policy, state, space = report.member, self._policy, self._state, self._context.space
        weights = policy.copy != "hyperparameters"
        base = dict(state.hparams[m] if policy.copy == "weights" else state.hparams[donor])
        if not weights:
            base.update({name: state.hparams[m][name] for name in space.structural})
        hparams = space.clip(base) if policy.explore is None else policy.explore(rng, space, base)
        after.hparams[m] = hparams
        if weights:
            after.fitness[m] = state.fitness[donor]
            after.histories[m] = state.histories[donor]
            after.copied[m] = report.interval
        text = f"{because}; {changes(base, hparams)}"
        return Replace(m, donor, state.intervals[donor], hparams, weights, text)

    def _field(self, interval: int) -> Field:
        """Return the members that one which has completed `interval` intervals is compared with."""
        if interval not in self._fields:
            self._fields[interval] = self._make_field(interval)
        return self._fields[interval]

    def _make_field(self, interval: int) -> Field:
        policy, state = self._policy, self._state
        here = self._intervals > 0
        fitness = self._fitness
        if policy.max_lag is not None:
            here &= np.abs(self._intervals - interval) <= policy.max_lag
        if policy.compare == "equal_step":
            here &= self._intervals >= interval
            at = [c[interval - 1] if len(c) >= interval else None for c in state.curves]
            fitness = np.array([math.nan if f is None else f for f in at])
        members = np.flatnonzero(here)
        chosen = fitness[members]
        rng = np.random.Generator(np.random.Philox(key=self._ties))
        order = rank(chosen, rng)
        ranks = np.empty_like(order)
        ranks[order] = np.arange(len(order))
        histories = [state.histories[int(m)] for m in members] if policy.exploit and policy.exploit.history > 1 else []
        return Field(members, chosen, order, ranks, histories, int(np.isfinite(chosen).sum()))
