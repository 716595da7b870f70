"""Faster improvement rate PBT: a patient sub-population judged by how fast a greedy one can improve on its weights."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from poptrain.core.decisions import Continue, Decision, Replace
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.curves import improvement, sign_test
from poptrain.strategies.explore import Explore, Perturb, changes
from poptrain.strategies.published import Published, with_structure_of
from poptrain.strategies.random_search import starting_points

__all__ = ["FirePBT", "FirePBTState"]


@dataclass(slots=True)
class Evaluation:
    """What one evaluator is doing.

    Args:
        parent: whose weights it began with; -1 for nobody yet.
        began: the parent's completed intervals then.
        since: its own completed intervals then.
        curve: its scores since, the parent's first.
    """

    parent: int = -1
    began: int = 0
    since: int = 0
    curve: list[float] = field(default_factory=list)


@dataclass(slots=True)
class FirePBTState:
    """Everything that is remembered.

    Args:
        seen: what each member last published.
        evaluations: one for each evaluator.
        curves: for each patient member the last finished evaluation of its weights; empty for none.
        replaced: for each patient member, the intervals it had completed when it was last replaced.
        measured: for each patient member, the intervals it had completed when its last finished evaluation began; -1 for none.
        greedy: the best score of the greedy sub-population after every interval; None where nobody had one.
        winner: (member, interval) of an evaluator that outperformed the greedy sub-population and waits to be copied.
        winner_fitness: its score.
        winner_hparams: the hyperparameters that earned it.
    """

    seen: Published
    evaluations: list[Evaluation]
    curves: list[list[float]]
    replaced: list[int]
    measured: list[int]
    greedy: list[float | None] = field(default_factory=list)
    winner: tuple[int, int] | None = None
    winner_fitness: float = 0.0
    winner_hparams: dict[str, Value] = field(default_factory=dict)

    def copy(self) -> FirePBTState:
        """Return a state whose lists can be changed; their entries are replaced, never changed."""
        return replace(
            self,
            seen=self.seen.copy(),
            evaluations=list(self.evaluations),
            curves=list(self.curves),
            replaced=list(self.replaced),
            measured=list(self.measured),
            greedy=list(self.greedy),
        )


@dataclass(frozen=True)
class FirePBT(Algorithm[FirePBTState]):
    """Two sub-populations and evaluators between them.

        greedy      the first members: truncation PBT on the score
        patient     the next ones: truncation PBT on the improvement rate that evaluators measure
        evaluators  the last ones: each takes a patient parent's weights with the hyperparameters of the best greedy member and
                    trains on for `evaluation` intervals; its curve is the parent's fitness

    Curves are smoothed by a Gaussian process, and compared by their slopes at equal scores: so a parent whose weights are worse
    today but improve faster wins. An evaluator that beats the best greedy member, at equal intervals by a
    one-sided sign test and by its best score, is a success: the next lagging greedy member copies it. An evaluator in such a
    streak trains on beyond its `evaluation`.

    Departures from the paper: two sub-populations instead of a chain of any length; evaluations have a fixed length; a
    patient member is ready when it has been evaluated since its last copy; curves are ranked by their mean lead in slope over
    all others; members that failed copy at once; after the last interval nobody copies.

    Args:
        quantile: part of a sub-population that copies, and that is copied, 0 < quantile <= 0.5; at least one member.
        evaluation: intervals of an evaluation, >= 2.
        significance: of the sign test, 0 < significance < 1.
        explore: what a copy in either sub-population changes.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Dalibard and Jaderberg (2021), Faster Improvement Rate Population Based Training, arXiv 2109.13800.
    """

    quantile: float = 0.25
    evaluation: int = 4
    significance: float = 0.01
    explore: Explore = Perturb((0.8, 1.25))  # noqa: RUF009 (a frozen policy)
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = FirePBTState

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", tuple(dict(hparams) for hparams in self.initial))
        if isinstance(self.quantile, bool) or not 0 < self.quantile <= 0.5:
            raise ConfigError(f"quantile must be more than 0 and at most 0.5, got {self.quantile!r}: 0.25 is usual")
        if isinstance(self.evaluation, bool) or not isinstance(self.evaluation, int) or self.evaluation < 2:
            raise ConfigError(f"evaluation must be a whole number of at least 2 intervals, got {self.evaluation!r}")
        if isinstance(self.significance, bool) or not 0 < self.significance < 1:
            raise ConfigError(f"significance must be more than 0 and less than 1, got {self.significance!r}: 0.01 is usual")
        if not isinstance(self.explore, Explore):
            raise ConfigError(f"explore must be an explore strategy such as perturb(), got {self.explore!r}")

    def parts(self, population: int) -> tuple[range, range, range]:
        """Return the greedy members, the patient ones and the evaluators, in the ratio 8 : 8 : 6."""
        each = max(2, round(population * 8 / 22))
        return range(each), range(each, 2 * each), range(2 * each, population)

    def init(self, context: Context) -> tuple[FirePBTState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody."""
        if context.population < 5:
            raise ConfigError(
                f"two greedy members, two patient ones and an evaluator make at least 5, got {context.population}: pass "
                f"population=5 or more"
            )
        self.explore.check(context.space)
        starts = starting_points(context, self.initial)
        _, patient, evaluators = self.parts(context.population)
        n = len(patient)
        state = FirePBTState(
            Published.begin(starts), [Evaluation() for _ in evaluators], [[] for _ in range(n)], [0] * n, [-1] * n
        )
        return state, starts

    def tell(
        self, context: Context, state: FirePBTState, reports: Sequence[Report]
    ) -> tuple[FirePBTState, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        before = self._note(context, state, reports)
        stop = before.seen.stop()
        if stop is not None:
            return before, (stop,)
        after = before.copy()
        round_of = _Round(self, context, before, after, before.seen.ranking(context, reports))
        return after, tuple(round_of.decide(report) for report in reports)

    def keeps(self, state: FirePBTState) -> Iterable[tuple[int, int]]:
        """Return the state of the evaluator that waits to be copied."""
        return () if state.winner is None else (state.winner,)

    def _note(self, context: Context, state: FirePBTState, reports: Sequence[Report]) -> FirePBTState:
        noted = state.copy()
        noted.seen = state.seen.noting(reports)
        greedy, _, evaluators = self.parts(context.population)
        for report in reports:
            if report.member in greedy:
                place = report.interval - 1
                noted.greedy += [None] * (place + 1 - len(noted.greedy))
                best = noted.greedy[place]
                if not report.failed and (best is None or report.fitness > best):
                    noted.greedy[place] = report.fitness
        if noted.winner is not None and _highest(noted.greedy) >= noted.winner_fitness:
            noted.winner = None  # the greedy ones have caught up
        for report in reports:
            if report.member in evaluators and not report.failed:
                self._note_evaluator(noted, report, report.member - evaluators.start)
        return noted

    def _note_evaluator(self, noted: FirePBTState, report: Report, number: int) -> None:
        old = noted.evaluations[number]
        if old.parent < 0:
            return
        noted.evaluations[number] = Evaluation(old.parent, old.began, old.since, [*old.curve, report.fitness])
        better = noted.winner is None or report.fitness > noted.winner_fitness
        if better and self.succeeds(noted, noted.evaluations[number], report.interval):
            noted.winner, noted.winner_fitness = (report.member, report.interval), report.fitness
            noted.winner_hparams = dict(report.hparams)

    def succeeds(self, state: FirePBTState, evaluation: Evaluation, interval: int) -> bool:
        """Return whether an evaluator beats the greedy sub-population at equal intervals, the best score included."""
        streak = self.streak(state, evaluation, interval)
        return sign_test(streak, streak) < self.significance and max(evaluation.curve) > _highest(state.greedy)

    @staticmethod
    def streak(state: FirePBTState, evaluation: Evaluation, interval: int) -> int:
        """Return at how many of an evaluator's last intervals in a row it was better than the best greedy member."""
        count = 0
        for back, score in enumerate(reversed(evaluation.curve[1:])):
            place = interval - 1 - back
            rival = state.greedy[place] if place < len(state.greedy) else None
            if rival is None or score <= rival:
                break
            count += 1
        return count


def _highest(scores: Iterable[float | None]) -> float:
    return max((score for score in scores if score is not None), default=-math.inf)


class _Round:
    """One call of `tell`: decisions by the population as it is before the first of them."""

    def __init__(
        self, policy: FirePBT, context: Context, before: FirePBTState, after: FirePBTState, order: Sequence[int]
    ) -> None:
        self._policy = policy
        self._context = context
        self._state = before
        self._after = after
        self._parts = policy.parts(context.population)
        seen, greedy = before.seen, self._parts[0]
        self._greedy = [m for m in order if m in greedy]
        leader = next((m for m in self._greedy if seen.fitness[m] is not None), None)
        self._leader = order[0] if leader is None else leader
        self._patient = self._rank_patient()
        self._places = {m: place for order in (self._greedy, self._patient) for place, m in enumerate(order)}
        self._generators: dict[tuple[str, int], Callable[[int], np.random.Generator]] = {}
        self._busy = Counter(evaluation.parent for evaluation in before.evaluations)
        self._ages = [self._age(p) for p in self._parts[1] if seen.fitness[p] is not None]
        heapq.heapify(self._ages)

    def decide(self, report: Report) -> Decision:
        """Return one member's decision and note in the state after what becomes of it."""
        if report.interval >= self._context.intervals:
            return Continue(report.member, "the study is over")
        greedy, patient, _ = self._parts
        if report.member in greedy:
            return self._decide_greedy(report)
        if report.member in patient:
            return self._decide_patient(report)
        return self._decide_evaluator(report)

    def _decide_greedy(self, report: Report) -> Decision:
        m, seen, order = report.member, self._state.seen, self._greedy
        place, count = self._places[m], self._count(len(order))
        if not report.failed and place < len(order) - count:
            return Continue(m, f"ranks {place + 1} of {len(order)} greedy members")
        winner = self._after.winner
        if winner is not None and self._state.winner_fitness > seen.value(m):
            self._after.winner = None
            base = self._state.winner_hparams
            text = f"ranks {place + 1} of {len(order)} greedy members: evaluator {winner[0]} outperforms the best of them"
            self._after.seen.fitness[m], self._after.seen.hparams[m] = self._state.winner_fitness, base
            return self._copy(report, winner, base, text)
        donors = [x for x in order[:count] if seen.fitness[x] is not None and x != m]
        return self._copy_any(report, donors, f"ranks {place + 1} of {len(order)} greedy members")

    def _decide_patient(self, report: Report) -> Decision:
        m, seen, order = report.member, self._state.seen, self._patient
        count = self._count(len(order))
        number = m - self._parts[1].start
        if report.failed:
            healthy = [x for x in (*order, *self._parts[1]) if seen.fitness[x] is not None and x != m]
            return self._inherit(report, healthy[:count] or healthy[:1], "failed")
        if m not in self._places or self._state.measured[number] <= self._state.replaced[number]:
            return Continue(m, "its improvement rate has not been measured since its last copy")
        place = self._places[m]
        if len(order) < 2 or place < len(order) - count:
            return Continue(m, f"improves at rank {place + 1} of {len(order)} patient members")
        donors = [x for x in order[:count] if seen.fitness[x] is not None and x != m]
        return self._inherit(report, donors, f"improves at rank {place + 1} of {len(order)} patient members")

    def _inherit(self, report: Report, donors: Sequence[int], because: str) -> Decision:
        """Copy a patient member, its improvement rate included, or anybody where none is healthy."""
        decision = self._copy_any(report, donors, because)
        first = self._parts[1].start
        if isinstance(decision, Replace):
            number, donor = report.member - first, decision.donor - first
            self._after.replaced[number] = report.interval
            self._after.measured[number] = -1
            self._note_age(report.member)
            self._after.curves[number] = self._state.curves[donor] if 0 <= donor < len(self._state.curves) else []
        return decision

    def _decide_evaluator(self, report: Report) -> Decision:
        m, number = report.member, report.member - self._parts[2].start
        evaluation = self._after.evaluations[number]
        stale = evaluation.parent >= 0 and evaluation.began <= self._state.replaced[evaluation.parent - self._parts[1].start]
        trained = len(evaluation.curve) - 1
        unfinished = evaluation.parent >= 0 and not stale and not report.failed
        if unfinished and trained < self._policy.evaluation:
            return Continue(m, f"evaluates member {evaluation.parent}, {trained} of {self._policy.evaluation} intervals")
        if unfinished:
            self._finish(evaluation)
            streak = self._policy.streak(self._state, evaluation, report.interval)
            if streak and self._state.winner is None:
                return Continue(m, f"ahead of the greedy members at its last {streak} intervals")
        return self._begin(report, number)

    def _finish(self, evaluation: Evaluation) -> None:
        number = evaluation.parent - self._parts[1].start
        self._after.curves[number] = evaluation.curve
        self._after.measured[number] = max(self._after.measured[number], evaluation.began)
        self._note_age(evaluation.parent)

    def _begin(self, report: Report, number: int) -> Decision:
        """Take the weights of the patient member whose last evaluation is the oldest."""
        m, seen = report.member, self._state.seen
        self._busy[self._after.evaluations[number].parent] -= 1
        self._note_age(self._after.evaluations[number].parent)
        if not self._ages:
            return Continue(m, "no patient member is healthy")
        parent = self._oldest()
        self._busy[parent] += 1
        self._note_age(parent)
        score = seen.fitness[parent]
        curve = [] if score is None else [score]
        self._after.evaluations[number] = Evaluation(parent, seen.intervals[parent], report.interval, curve)
        base = with_structure_of(self._context, seen.hparams[self._leader], seen.hparams[parent])
        self._after.seen.fitness[m], self._after.seen.hparams[m] = score, base
        text = f"evaluates member {parent}: its weights, with the hyperparameters of member {self._leader}"
        return Replace(m, parent, seen.intervals[parent], base, True, text)

    def _generator(self, purpose: str, report: Report) -> np.random.Generator:
        """Return the generator of a purpose and report, good until the next one of that purpose and interval."""
        key = purpose, report.interval
        if key not in self._generators:
            self._generators[key] = self._context.keys.generators(*key)
        return self._generators[key](report.member)

    def _age(self, patient: int) -> tuple[int, int, int]:
        """Return what the next one to be evaluated has least of: evaluators, interval of its last evaluation, number."""
        return self._busy[patient], self._after.measured[patient - self._parts[1].start], patient

    def _note_age(self, patient: int) -> None:
        if patient in self._parts[1] and self._state.seen.fitness[patient] is not None:
            heapq.heappush(self._ages, self._age(patient))

    def _oldest(self) -> int:
        """Return the healthy patient member of the least age; what the heap says of others may be out of date."""
        while self._ages[0] != self._age(self._ages[0][2]):
            heapq.heappop(self._ages)
        return self._ages[0][2]

    def _copy_any(self, report: Report, donors: Sequence[int], because: str) -> Decision:
        seen = self._state.seen
        chosen = donors or [x for x in (self._leader,) if seen.fitness[x] is not None and x != report.member]
        if not chosen:
            return Continue(report.member, f"{because}, but nobody is healthy to copy")
        draw = self._generator("exploit", report).random()
        donor = chosen[int(draw * len(chosen))]
        self._after.seen.take_over(report.member, donor, seen)
        text = f"{because}: copies member {donor} ({seen.value(donor):.6g})"
        return self._copy(report, (donor, seen.intervals[donor]), seen.hparams[donor], text)

    def _copy(self, report: Report, donor: tuple[int, int], base: Hparams, because: str) -> Decision:
        rng = self._generator("explore", report)
        hparams = self._policy.explore(rng, self._context.space, base)
        return Replace(report.member, *donor, hparams, True, f"{because}; {changes(base, hparams)}")

    def _rank_patient(self) -> list[int]:
        """Return the patient members that have been evaluated, from the fastest improvement to the slowest."""
        first = self._parts[1].start
        evaluated = [i for i, curve in enumerate(self._state.curves) if len(curve) > 1]
        if not evaluated:
            return []
        leads = improvement([self._state.curves[i] for i in evaluated]).tolist()
        return [first + i for _, i in sorted(zip(leads, evaluated, strict=True), key=lambda pair: (-pair[0], pair[1]))]

    def _count(self, members: int) -> int:
        return min(max(1, round(self._policy.quantile * members)), members // 2)
