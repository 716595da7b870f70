"""Population Based Training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from poptrain.core.decisions import Continue, Decision, Replace, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.ranking import rank, rank_fronts
from poptrain.core.report import Mode, Report, fitness_of
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
        hparams: the hyperparameters that earned the fitness: its last report's, or its donor's after a copy of weights.
        histories: its last evaluations, oldest first, as many as the exploit strategy needs; its donor's after a copy.
        copied: the interval after which it was last replaced; -1 for never.
        curves: its fitness after every interval, where comparisons are at equal steps.
        objectives: its last values of the objectives, oriented higher is better, where there are any; empty where it failed.
    """

    intervals: list[int]
    fitness: list[float | None]
    hparams: list[dict[str, Value]]
    histories: list[list[float]] = field(default_factory=list)
    copied: list[int] = field(default_factory=list)
    curves: list[list[float | None]] = field(default_factory=list)
    objectives: list[list[float]] = field(default_factory=list)

    def copy(self) -> PBTState:
        """Return a state whose lists can be changed; their entries are replaced, never changed."""
        return PBTState(*(list(getattr(self, name)) for name in self.__slots__))


@dataclass(frozen=True)
class PBT(Algorithm[PBTState]):
    """Population Based Training: a ready member may copy a better one (exploit) and then changes its hyperparameters (explore).

    Members are compared by what they last published. In synchronous mode that is one and the same interval for all, and all
    decisions are taken on the population as it is before the first copy. Members that failed rank last and never donate. While
    exploitation is on they are replaced at once, weights included, whatever strategy, readiness, grace and lag say. After the
    last interval nobody copies, since nothing would be trained on it.

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
        objectives: metrics that rank the members together in place of the selection score, by name, each "max" or "min": by
            non-dominated sorting and crowding distance. Truncation only.
        confirm: evaluations in a row that a score must hold for: a member is judged by the lowest of its last `confirm`
            scores, >= 1; 1 believes every score at once.
        control: so many last members are a control group: they copy nobody, as in random search, unless they fail; others may
            copy them. >= 0, and at least two members are none.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, algorithm 1.
        Dushatskiy et al. (2023), Multi-Objective Population Based Training, arXiv 2306.01436 (objectives).
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
    control: int = 0
    objectives: Mapping[str, Mode] = field(default_factory=dict)
    confirm: int = 1
    state_type: ClassVar[type[Any]] = PBTState

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", tuple(dict(hparams) for hparams in self.initial))
        if self.exploit is not None and not isinstance(self.exploit, Exploit):
            raise ConfigError(f"exploit must be an exploit strategy such as truncation(), or None, got {self.exploit!r}")
        if self.explore is not None and not isinstance(self.explore, Explore):
            raise ConfigError(f"explore must be an explore strategy such as perturb(), or None, got {self.explore!r}")
        for name, least in (("ready_interval", 1), ("burn_in", 0), ("grace", 0), ("control", 0), ("confirm", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
        lag = self.max_lag
        if lag is not None and (isinstance(lag, bool) or not isinstance(lag, int) or lag < 0):
            raise ConfigError(f"max_lag must be a whole number of intervals of at least 0, or None, got {lag!r}")
        if self.copy not in get_args(Copied):
            raise ConfigError(f"copy must be one of {', '.join(get_args(Copied))}, got {self.copy!r}")
        self._check_objectives()
        if self.compare not in get_args(Compare):
            raise ConfigError(f"compare must be one of {', '.join(get_args(Compare))}, got {self.compare!r}")

    def _check_objectives(self) -> None:
        object.__setattr__(self, "objectives", dict(self.objectives))
        for name, mode in self.objectives.items():
            if mode not in get_args(Mode):
                raise ConfigError(f"an objective is 'max' or 'min', got {mode!r} for {name!r}")
        if not self.objectives:
            return
        if len(self.objectives) == 1:
            raise ConfigError(f"objectives are at least two metrics, got {next(iter(self.objectives))!r}: select by it instead")
        if self.exploit is not None and not self.exploit.by_rank:
            raise ConfigError(f"objectives need an exploit strategy by rank, got {self.exploit!r}: pass truncation()")
        if self.compare == "equal_step" or self.confirm > 1:
            raise ConfigError("objectives are compared by the latest reports: leave out compare='equal_step' and confirm")

    def init(self, context: Context) -> tuple[PBTState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody."""
        n = context.population
        if self.exploit is not None:
            if n < 2:
                raise ConfigError(f"population must be at least 2 for exploitation, got {n}: pass population=2 or exploit=None")
            self.exploit.check(n)
            if self.control > n - 2:
                raise ConfigError(
                    f"control must leave at least two of {n} members, got {self.control}: pass control={max(0, n - 2)} or less"
                )
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
        state.objectives = [[] for _ in range(n if self.objectives else 0)]
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

    def _note(self, state: PBTState, reports: Sequence[Report]) -> PBTState:
        noted = state.copy()
        length = max(self.confirm, 1 if self.exploit is None else self.exploit.history)
        for report in reports:
            m = report.member
            fitness = None if report.failed else report.fitness
            if self.objectives:
                noted.objectives[m] = self._objectives(report)
                fitness = fitness if noted.objectives[m] else None
            noted.intervals[m] = report.interval
            noted.fitness[m] = fitness
            noted.hparams[m] = report.hparams if type(report.hparams) is dict else dict(report.hparams)
            if length > 1 and fitness is not None:
                noted.histories[m] = [*noted.histories[m], fitness][-length:]
                noted.fitness[m] = min(noted.histories[m][-self.confirm :])
            if self.compare == "equal_step":
                noted.curves[m] = [*noted.curves[m], fitness]
        return noted

    def _objectives(self, report: Report) -> list[float]:
        """Return the objectives, oriented higher is better; empty where the member failed in one of them."""
        if report.failed:
            return []
        for name in self.objectives:
            if name not in report.metrics:
                known = ", ".join(report.metrics) or "none"
                raise ConfigError(f"the objective {name!r} was not reported: report it in every interval beside {known}")
        values = [fitness_of(report.metrics[name], mode) for name, mode in self.objectives.items()]
        return values if all(math.isfinite(value) for value in values) else []


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
        self._limited = policy.max_lag is not None or policy.compare == "equal_step"
        self._sights: dict[int | None, tuple[Field, Sequence[bool]]] = {}
        self._generators: dict[int, Callable[[int], np.random.Generator]] = {}
        self._fitness = np.array([math.nan if f is None else f for f in state.fitness])
        self._intervals = np.array(state.intervals)

    def decide(self, report: Report, after: PBTState) -> Decision:
        """Return one member's decision and note in `after` what becomes of it."""
        m, exploit = report.member, self._policy.exploit
        failed = self._state.fitness[m] is None
        held = self._held(report, failed)
        if held or exploit is None:
            return Continue(m, held or "exploitation is off")
        field, lagging = self._sight(report, failed)
        position = field.positions[m]
        if field.healthy > (0 if failed else 1) and (failed or lagging[position]):
            rng = self._generator(report)
            choice = self._rescue(exploit, field, rng) if failed else exploit.choose(field, position, rng)
            if choice is not None:
                return self._replace(report, field.members[choice.donor], choice.because, rng, after)
        fitness = "failed" if failed else f"fitness {report.fitness:.6g}"
        return Continue(m, f"{fitness} ranks {field.ranks[position] + 1} of {len(field.ranks)}: goes on as it is")

    def _held(self, report: Report, failed: bool) -> str:
        """Return why a member is not to be replaced now, whoever it is compared with; empty where it may be."""
        interval, policy = report.interval, self._policy
        if interval >= self._context.intervals:
            return "the last interval: nothing would be trained on a copy"
        if failed:
            return ""
        if report.member >= self._context.population - policy.control:
            return "a control member: copies nobody"
        if interval <= policy.burn_in or interval % policy.ready_interval:
            return f"not ready after interval {interval}"
        copied = self._state.copied[report.member]
        if copied >= 0 and interval - copied <= policy.grace:
            return f"copied {interval - copied} intervals ago, within the grace of {policy.grace}"
        return ""

    def _generator(self, report: Report) -> np.random.Generator:
        """Return the generator of one member's decision; it is good until the next one is asked for."""
        if report.interval not in self._generators:
            self._generators[report.interval] = self._context.keys.generators("exploit", report.interval)
        return self._generators[report.interval](report.member)

    @staticmethod
    def _rescue(exploit: Exploit, field: Field, rng: np.random.Generator) -> Choice:
        """Return whom a failed member copies."""
        donors = exploit.donors(field)
        donor = donors[int(rng.random() * len(donors))]
        return Choice(donor, f"failed: copies member {field.members[donor]} ({field.fitness[donor]:.6g})")

    def _replace(self, report: Report, donor: int, because: str, rng: np.random.Generator, after: PBTState) -> Decision:
        m, policy, state, space = report.member, self._policy, self._state, self._context.space
        weights = policy.copy != "hyperparameters" or report.failed  # hyperparameters alone do not repair a failed state
        base = dict(state.hparams[m] if policy.copy == "weights" else state.hparams[donor])
        if not weights:
            base.update({name: state.hparams[m][name] for name in space.structural})
        hparams = space.clip(base) if policy.explore is None else policy.explore(rng, space, base)
        if weights:
            after.hparams[m] = base
            after.fitness[m] = state.fitness[donor]
            after.histories[m] = state.histories[donor]
            if policy.objectives:
                after.objectives[m] = state.objectives[donor]
        after.copied[m] = report.interval
        text = f"{because}; {changes(base, hparams)}"
        return Replace(m, donor, state.intervals[donor], hparams, weights, text)

    def _sight(self, report: Report, failed: bool) -> tuple[Field, Sequence[bool]]:
        """Return whom a reporting member is compared with, and who of them may be replaced; a failed one may copy anybody."""
        interval = report.interval if self._limited and not failed else None
        if interval not in self._sights:
            field = self._make_field(interval)
            exploit = self._policy.exploit
            self._sights[interval] = field, exploit.lagging(field) if exploit is not None else ()
        return self._sights[interval]

    def _make_field(self, interval: int | None) -> Field:
        """Return those comparable after `interval` intervals; everybody that has reported where it is None."""
        policy, state = self._policy, self._state
        here = self._intervals > 0
        fitness = self._fitness
        if interval is not None and policy.max_lag is not None:
            here &= np.abs(self._intervals - interval) <= policy.max_lag
        if interval is not None and policy.compare == "equal_step":
            here &= self._intervals >= interval
            at = [c[interval - 1] if len(c) >= interval else None for c in state.curves]
            then = np.array([math.nan if f is None else f for f in at])
            fitness = np.where(np.isfinite(fitness), then, math.nan)  # who has failed since must not donate
        members = np.flatnonzero(here)
        ties = np.random.Generator(np.random.Philox(key=self._ties))
        if policy.objectives:
            lost = [math.nan] * len(policy.objectives)
            order = rank_fronts(np.array([state.objectives[m] or lost for m in members.tolist()]), ties)
        else:
            order = rank(fitness[members], ties)
        return Field.of(members, fitness[members], order, state.histories)
