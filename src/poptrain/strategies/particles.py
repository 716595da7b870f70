"""Hyperparameters that move with a velocity: particle swarm, and pairwise learning."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from poptrain.core.decisions import Continue, Decision, Replace
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.explore import changes
from poptrain.strategies.published import Published, with_structure_of
from poptrain.strategies.random_search import starting_points

__all__ = ["Pairwise", "Particles", "Swarm"]

Vector = NDArray[np.float64]


@dataclass(slots=True)
class Particles:
    """What is remembered of members that move.

    Args:
        seen: what each last published.
        velocities: of each member, one number a movable hyperparameter, in units of its range (its logarithms where `log`).
        best: for each member, the hyperparameters of the best interval that it trained itself; empty before the first.
        best_fitness: the score of that interval; None before the first.
    """

    seen: Published
    velocities: list[list[float]]
    best: list[dict[str, Value]] = field(default_factory=list)
    best_fitness: list[float | None] = field(default_factory=list)

    @classmethod
    def begin(cls, context: Context, starts: Sequence[Hparams]) -> Particles:
        """Return members at rest."""
        n = len(starts)
        return cls(Published.begin(starts), [[0.0] * len(context.space.movable)] * n, [{}] * n, [None] * n)

    def noting(self, reports: Sequence[Report]) -> Particles:
        """Return the state after some reports; its lists can be changed."""
        noted = Particles(self.seen.noting(reports), list(self.velocities), list(self.best), list(self.best_fitness))
        for report in reports:
            old = noted.best_fitness[report.member]
            if not report.failed and (old is None or report.fitness > old):
                noted.best[report.member] = dict(report.hparams)
                noted.best_fitness[report.member] = report.fitness
        return noted


class _Moving(Algorithm[Particles]):
    """Members that lag copy weights, and move their hyperparameters in the unit cube."""

    ready_interval: int
    initial: tuple[Mapping[str, Value], ...]
    to_leader: ClassVar[bool]
    """Whether a member learns from the best one, whomever it copies; else from its donor."""

    state_type: ClassVar[type[Any]] = Particles

    @abstractmethod
    def donors(self, context: Context, order: Sequence[int], interval: int) -> Callable[[int, int], int | None]:
        """Return a function from (member, its place in the ranking) to whom it copies after an interval; to None for nobody."""

    @abstractmethod
    def velocity(
        self, context: Context, state: Particles, member: int, here: Vector, model: int, rng: np.random.Generator
    ) -> Vector:
        """Return the new velocity of a member that is `here`, copies, and learns from `model`, shape (movable,)."""

    def init(self, context: Context) -> tuple[Particles, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody, at rest."""
        if context.population < 2:
            raise ConfigError(f"population must be at least 2 for exploitation, got {context.population}: pass population=2")
        starts = starting_points(context, self.initial)
        return Particles.begin(context, starts), starts

    def tell(self, context: Context, state: Particles, reports: Sequence[Report]) -> tuple[Particles, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        before = state.noting(reports)
        stop = before.seen.stop()
        if stop is not None:
            return before, (stop,)
        after = before.noting(())
        order = before.seen.ranking(context, reports)
        places = {member: place for place, member in enumerate(order)}
        donor_of = {interval: self.donors(context, order, interval) for interval in {r.interval for r in reports}}
        rng_of = {interval: context.keys.generators("velocity", interval) for interval in donor_of}
        decisions = []
        for report in reports:
            copied = order[0] if report.failed else donor_of[report.interval](report.member, places[report.member])
            decisions.append(self._decide(context, before, after, order[0], copied, report, rng_of[report.interval]))
        return after, tuple(decisions)

    def _decide(
        self,
        context: Context,
        before: Particles,
        after: Particles,
        leader: int,
        donor: int | None,
        report: Report,
        rng_of: Callable[[int], np.random.Generator],
    ) -> Decision:
        m, seen = report.member, before.seen
        if report.interval >= context.intervals:
            return Continue(m, "the study is over")
        if report.interval % self.ready_interval and not report.failed:
            return Continue(m, f"not ready after interval {report.interval}")
        if donor is None or donor == m or seen.fitness[donor] is None:
            return Continue(m, "nobody to copy")
        here = _place(context, seen.hparams[m])
        velocity = self.velocity(context, before, m, here, leader if self.to_leader else donor, rng_of(m))
        base = with_structure_of(context, seen.hparams[m], seen.hparams[donor])
        hparams = _moved(context, base, here + velocity)
        after.velocities[m] = velocity.tolist()
        after.seen.take_over(m, donor, seen)
        text = f"{'failed: ' if report.failed else ''}copies member {donor} ({seen.value(donor):.6g}); {changes(base, hparams)}"
        return Replace(m, donor, seen.intervals[donor], hparams, True, text)


@dataclass(frozen=True)
class Swarm(_Moving):
    """Truncation PBT whose copies move like a particle swarm: on with their velocity, to their own best and to everybody's.

        v <- inertia v + own r1 (x_own - x) + all r2 (x_all - x),   x <- clip(x + v)

    with x the member's own hyperparameters in the unit cube (logarithmic where the space is), x_own those of the best interval
    that it trained itself, x_all those of the best member now, and r1, r2 uniform in [0, 1), drawn for each hyperparameter.
    Weights come from a draw of the top part. Choices without an order move by their index.

    Args:
        quantile: part of the population that copies, and that is copied, 0 < quantile <= 0.5; at least one member.
        inertia, own, all: weights of the three terms, >= 0.
        ready_interval: a member is ready after every so many intervals, >= 1.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Kennedy and Eberhart (1995), Particle Swarm Optimization.
    """

    quantile: float = 0.25
    inertia: float = 0.3
    own: float = 0.6
    all: float = 0.8
    ready_interval: int = 1
    initial: tuple[Mapping[str, Value], ...] = ()
    to_leader: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self, ("inertia", "own", "all"))
        if isinstance(self.quantile, bool) or not 0 < self.quantile <= 0.5:
            raise ConfigError(f"quantile must be more than 0 and at most 0.5, got {self.quantile!r}: 0.25 is usual")

    def donors(self, context: Context, order: Sequence[int], interval: int) -> Callable[[int, int], int | None]:
        """Return draws from the top part for the members of the bottom part."""
        count = min(max(1, round(self.quantile * len(order))), len(order) // 2)
        generators = context.keys.generators("exploit", interval)

        def of(member: int, place: int) -> int | None:
            return order[int(generators(member).random() * count)] if place >= len(order) - count else None

        return of

    def velocity(
        self, context: Context, state: Particles, member: int, here: Vector, model: int, rng: np.random.Generator
    ) -> Vector:
        """Return the swarm's velocity."""
        own = _place(context, state.best[member]) if state.best[member] else here
        first, second = rng.random((2, len(here)))
        pull = self.own * first * (own - here) + self.all * second * (_place(context, state.seen.hparams[model]) - here)
        found: Vector = self.inertia * np.array(state.velocities[member]) + pull
        return found


@dataclass(frozen=True)
class Pairwise(_Moving):
    """Pairs of members are drawn; the slower of the two copies the other's weights and learns from it.

        v <- inertia r1 v + pull r2 (x_fast - x_slow),   x_slow <- clip(x_slow + v)

    with x in the unit cube (logarithmic where the space is) and r1, r2 uniform in [0, 1), drawn for each hyperparameter. Pairs
    match the lower half of the ranking with the upper half by a permutation that is drawn for each interval. A learner jumps
    with probability `mutation`, one hyperparameter at a time, to a draw from the space, so that a population that has come
    together can still move; that jump is not in the paper.

    Args:
        inertia, pull: weights of the two terms, >= 0.
        mutation: probability of a jump, 0 <= mutation <= 1.
        ready_interval: a member is ready after every so many intervals, >= 1.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Bai and Cheng (2024), Generalized Population-Based Training for Hyperparameter Optimization in Reinforcement Learning,
        arXiv 2404.08233.
    """

    inertia: float = 1.0
    pull: float = 1.0
    mutation: float = 0.1
    ready_interval: int = 1
    initial: tuple[Mapping[str, Value], ...] = ()
    to_leader: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self, ("inertia", "pull"))
        if isinstance(self.mutation, bool) or not 0 <= self.mutation <= 1:
            raise ConfigError(f"mutation must be a probability between 0 and 1, got {self.mutation!r}")

    def donors(self, context: Context, order: Sequence[int], interval: int) -> Callable[[int, int], int | None]:
        """Return the faster one of each member's pair, where that is not the member itself."""
        half = len(order) // 2
        first = len(order) - half
        pairs = context.keys.generator("pairs", -1, interval).permutation(half).tolist()

        def of(member: int, place: int) -> int | None:
            return order[pairs[place - first]] if place >= first else None

        return of

    def velocity(
        self, context: Context, state: Particles, member: int, here: Vector, model: int, rng: np.random.Generator
    ) -> Vector:
        """Return the learner's velocity."""
        first, second, jump, target = rng.random((4, len(here)))
        pull = self.pull * second * (_place(context, state.seen.hparams[model]) - here)
        v = self.inertia * first * np.array(state.velocities[member]) + pull
        found: Vector = np.where(jump < self.mutation, target - here, v)
        return found


def _check(policy: Any, weights: Sequence[str]) -> None:
    object.__setattr__(policy, "initial", tuple(dict(hparams) for hparams in policy.initial))
    for name in weights:
        value = getattr(policy, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise ConfigError(f"{name} must be a finite number of at least 0, got {value!r}")
    ready = policy.ready_interval
    if isinstance(ready, bool) or not isinstance(ready, int) or ready < 1:
        raise ConfigError(f"ready_interval must be a whole number of at least 1, got {ready!r}")


def _place(context: Context, hparams: Hparams) -> Vector:
    """Return where hyperparameters are in the unit cube, shape (movable,)."""
    return np.array([context.space[name].to_unit(hparams[name]) for name in context.space.movable])


def _moved(context: Context, base: Hparams, place: Vector) -> dict[str, Value]:
    units = np.clip(place, 0.0, 1.0).tolist()
    moved = {name: context.space[name].from_unit(u) for name, u in zip(context.space.movable, units, strict=True)}
    return {**base, **moved}
