"""Algorithms that repair the greediness of plain PBT: what each decides, and that it pays."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from populations import context_of, round_of, train

from poptrain.core.decisions import Continue, Decision, Replace, Restart, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Value
from poptrain.space import Choice, Float, Int
from poptrain.strategies import MFPBT, PBT, Algorithm, FirePBT, Pairwise, RandomSearch, Restarts, Swarm, exploit, explore
from poptrain.strategies.base import Context
from poptrain.strategies.codec import policy_from_json, policy_to_json
from poptrain.strategies.curves import improvement, sign_test, smoothed
from poptrain.tasks import toy_plain
from poptrain.tasks.toy_deceptive import Deceptive
from poptrain.tasks.toy_plain import Plain

SPACE = {"lr": Float(1e-4, 1.0, log=True), "drop": Float(0.0, 0.5), "k": Int(1, 9), "size": Choice([1, 2], structural=True)}
EVERY: Sequence[Algorithm[Any]] = (
    MFPBT(periods=(1, 3, 6)),
    FirePBT(),
    Restarts(inner=PBT(exploit=exploit.truncation(0.25)), patience=1, window=1),
    Pairwise(),
    Swarm(),
    PBT(exploit=exploit.dead_band()),
)


def play(
    algorithm: Algorithm[Any],
    score: Callable[[int, int], float],
    *,
    population: int = 16,
    intervals: int = 24,
    alone: bool = False,
) -> list[tuple[Any, list[Report], tuple[Decision, ...]]]:
    """Return (state, reports, decisions) of every call, with scores made up by (member, interval)."""
    context = context_of(SPACE, population, intervals=intervals)
    state, starts = algorithm.init(context)
    hparams: list[Any] = list(starts)
    calls = []
    for interval in range(1, intervals + 1):
        everybody = round_of(interval, [score(m, interval) for m in range(population)], hparams)
        for reports in [[r] for r in everybody] if alone else [everybody]:
            before = copy.deepcopy(state)
            after, decisions = algorithm.tell(context, state, reports)
            assert (after, decisions) == algorithm.tell(context, state, reports), "not repeatable"
            assert state == before, "not pure"
            state = msgspec.json.decode(msgspec.json.encode(after), type=algorithm.state_type)
            assert state == after, "not JSON"
            calls.append((state, reports, decisions))
            for decision in decisions:
                if isinstance(decision, (Replace, Restart)):
                    context.space.validate(decision.hparams)
                    hparams[decision.member] = decision.hparams
    return calls


def noisy(member: int, interval: int) -> float:
    return math.sin(member * 12.9898 + interval * 78.233) + 0.05 * interval


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("algorithm", EVERY, ids=repr)
def test_decisions_answer_reports_and_stay_in_the_space(algorithm: Algorithm[Any], alone: bool) -> None:
    calls = play(algorithm, noisy, alone=alone)
    for _, reports, decisions in calls:
        assert [d.member for d in decisions if not isinstance(d, Stop)] == [r.member for r in reports]
        assert all(d.because for d in decisions)
    last = [d for _, reports, decisions in calls for d in decisions if reports[0].interval == 24]
    assert all(isinstance(d, Continue) for d in last), "a copy after the end is never trained"
    assert any(isinstance(d, Replace) and d.weights for _, _, decisions in calls for d in decisions)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("algorithm", EVERY, ids=repr)
def test_failed_members_never_donate_and_are_replaced(algorithm: Algorithm[Any], alone: bool) -> None:
    def score(member: int, interval: int) -> float:
        return math.nan if (member + interval) % 3 == 0 else noisy(member, interval)

    latest: dict[int, float] = {}
    for _, reports, decisions in play(algorithm, score, alone=alone):
        latest.update({r.member: r.fitness for r in reports})
        for report, decision in zip(reports, decisions, strict=True):
            if isinstance(decision, Replace) and decision.donor != decision.member:
                assert decision.weights or not report.failed
                if not alone:  # alone, a donor that failed may have become a copy of a healthy one since
                    assert math.isfinite(latest[decision.donor])
            elif report.failed and report.interval < 24 and len(latest) == 16:
                assert isinstance(decision, Restart), decision


@pytest.mark.parametrize("algorithm", EVERY, ids=repr)
def test_a_population_that_failed_stops(algorithm: Algorithm[Any]) -> None:
    context = context_of(SPACE, 16)
    state, starts = algorithm.init(context)
    _, decisions = algorithm.tell(context, state, round_of(1, [math.nan] * 16, starts))
    assert decisions == (Stop("all 16 members failed; the last at interval 1"),)


@pytest.mark.parametrize("algorithm", EVERY, ids=repr)
def test_structure_comes_with_the_weights(algorithm: Algorithm[Any]) -> None:
    for _, reports, decisions in play(algorithm, noisy):
        sizes = {r.member: r.hparams["size"] for r in reports}
        for decision in decisions:
            if isinstance(decision, Replace):
                assert decision.hparams["size"] == sizes[decision.donor if decision.weights else decision.member]


@pytest.mark.parametrize("algorithm", EVERY, ids=repr)
def test_policies_survive_the_journal(algorithm: Algorithm[Any]) -> None:
    assert policy_from_json(policy_to_json(algorithm)) == algorithm


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MFPBT(periods=(5, 1)), "rising whole numbers"),
        (lambda: MFPBT(periods=(1, 2, 3, 4)).init(context_of(SPACE, 15)), "population=16 or more"),
        (lambda: MFPBT().init(context_of(SPACE, 3)), "population=4 or more"),
        (lambda: FirePBT(evaluation=1), "at least 2 intervals"),
        (lambda: FirePBT(quantile=0.6), "at most 0.5"),
        (lambda: FirePBT(significance=0.0), "more than 0 and less than 1"),
        (lambda: FirePBT().init(context_of(SPACE, 4)), "population=5 or more"),
        (lambda: Restarts(inner=PBT(exploit=None)), "PBT with an exploit strategy"),
        (lambda: Restarts(patience=0), "patience must be a whole number of at least 1, got 0"),
        (lambda: Restarts(fresh=0.0), "fresh must be more than 0"),
        (lambda: Pairwise(mutation=1.5), "a probability between 0 and 1, got 1.5"),
        (lambda: Swarm(own=-1.0), "own must be a finite number of at least 0, got -1.0"),
        (lambda: Swarm().init(context_of(SPACE, 1)), "population=2"),
        (lambda: exploit.dead_band(margin=math.inf), "margin of a dead band"),
        (lambda: exploit.dead_band(quantile=0.9), "quantile must be"),
    ],
)
def test_mistakes_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert message in str(refused.value)


# MF-PBT.


def mf_round(interval: int, fitness: Sequence[float]) -> dict[int, Decision]:
    """Two sub-populations of eight: 0 to 7 evolve at once, 8 to 15 after every tenth interval; lr tells members apart."""
    context = context_of({"lr": Float(0.0, 100.0)}, 16)
    algorithm = MFPBT(periods=(1, 10), explore=explore.perturb((1.0,)))
    hparams = [{"lr": float(member)} for member in range(16)]
    state, _ = algorithm.init(context)
    return {
        d.member: d for d in algorithm.tell(context, state, round_of(interval, fitness, hparams))[1] if not isinstance(d, Stop)
    }


@pytest.mark.parametrize(
    ("population", "intervals", "periods"),
    [(32, 200, (1, 10, 25, 50)), (8, 200, (1, 10)), (16, 24, (1, 10, 12)), (8, 12, (1, 6)), (4, 12, (1,)), (40, 1, (1,))],
)
def test_periods_fit_the_study_unless_they_are_given(population: int, intervals: int, periods: tuple[int, ...]) -> None:
    assert MFPBT().periods_of(context_of(SPACE, population, intervals=intervals)) == periods
    assert MFPBT(periods=(1, 3)).periods_of(context_of(SPACE, population, intervals=intervals)) == (1, 3)


def test_patient_sub_populations_wait_for_their_period() -> None:
    rising = [float(member) for member in range(16)]
    assert all(isinstance(mf_round(9, rising)[m], Continue) for m in range(8, 16))
    assert sum(isinstance(mf_round(10, rising)[m], Replace) for m in range(8, 16)) == 2


def test_the_last_quarter_copies_the_first_of_its_own_sub_population() -> None:
    falling = [-float(member) for member in range(16)]
    found = mf_round(1, falling)
    for member in (6, 7):
        decision = found[member]
        assert isinstance(decision, Replace)
        assert decision.donor in (0, 1)
        assert decision.hparams["lr"] == decision.donor
    assert all(isinstance(found[m], Continue) for m in range(6))  # no member of the other sub-population is better


def test_migrants_from_a_slower_sub_population_bring_their_hyperparameters() -> None:
    found = mf_round(1, [-float(member) for member in range(8)] + [10.0, 20.0, -50.0, -50.0, -50.0, -50.0, -50.0, -50.0])
    fourth, fifth = found[4], found[5]
    assert isinstance(fourth, Replace)
    assert isinstance(fifth, Replace)
    assert (fourth.donor, fourth.hparams["lr"]) == (9, 9.0)
    assert (fifth.donor, fifth.hparams["lr"]) == (8, 8.0)


def test_migrants_from_a_faster_sub_population_leave_their_hyperparameters_behind() -> None:
    found = mf_round(10, [5.0, -60.0, -60.0, -60.0, -60.0, -60.0, -60.0, -60.0] + [-float(m) for m in range(8)])
    twelfth, thirteenth = found[12], found[13]
    assert isinstance(twelfth, Replace)
    assert (twelfth.donor, twelfth.hparams["lr"]) == (0, 8.0)
    assert isinstance(thirteenth, Continue)  # the second best of the others is worse than it


# FIRE-PBT.


def test_curves_are_compared_at_equal_scores() -> None:
    slow_but_high = [5.0 + 0.1 * t for t in range(12)]
    fast_but_low = [4.0 + 0.3 * t for t in range(12)]
    still = [5.5] * 6
    leads = improvement([slow_but_high, fast_but_low, still])
    assert leads[1] > leads[0] > leads[2]
    assert leads[1] - leads[0] == pytest.approx(0.2, abs=0.07)
    assert improvement([slow_but_high]).tolist() == [0.0]


def test_smoothing_takes_noise_out() -> None:
    rng = np.random.default_rng(0)
    truth = np.sin(np.linspace(0, 2, 40))
    noise = rng.normal(0, 0.1, 40)
    assert np.abs(smoothed((truth + noise).tolist()) - truth).mean() < 0.75 * np.abs(noise).mean()
    assert smoothed([1.0, 1.0, 1.0, 1.0, 1.0]).tolist() == [1.0] * 5


def test_sign_test() -> None:
    assert sign_test(0, 5) == 1.0
    assert sign_test(8, 10) == pytest.approx(56 / 1024)


def test_evaluators_take_patient_weights_and_greedy_hyperparameters() -> None:
    algorithm = FirePBT()
    greedy, patient, evaluators = algorithm.parts(22)
    assert (len(greedy), len(patient), len(evaluators)) == (8, 8, 6)
    context = context_of({"lr": Float(0.0, 100.0)}, 22)
    state, _ = algorithm.init(context)
    fitness = [float(m == 3) for m in range(22)]
    _, decisions = algorithm.tell(context, state, round_of(1, fitness, [{"lr": float(m)} for m in range(22)]))
    taken = [decisions[m] for m in evaluators]
    assert all(isinstance(d, Replace) and d.hparams["lr"] == 3.0 and d.donor in patient for d in taken)
    assert len({d.donor for d in taken if isinstance(d, Replace)}) == 6


def test_an_evaluator_that_outperforms_the_greedy_ones_is_copied_by_the_worst_of_them() -> None:
    algorithm = FirePBT()
    greedy, _, evaluators = algorithm.parts(22)

    def score(member: int, interval: int) -> float:
        return (2.0 if member == evaluators.start else 1.0) * interval - 0.01 * member

    copies = [
        (reports[0].interval, d)
        for _, reports, decisions in play(algorithm, score, population=22)
        for d in decisions
        if isinstance(d, Replace) and d.donor == evaluators.start
    ]
    assert copies
    assert min(interval for interval, _ in copies) >= 8  # seven wins in a row for p < 0.01, after one interval on its own
    assert all(d.member in greedy for _, d in copies)


def test_without_a_streak_no_evaluator_is_copied() -> None:
    algorithm = FirePBT()
    evaluators = algorithm.parts(22)[2]

    def score(member: int, interval: int) -> float:
        return 1.0 * interval + (0.5 if member in evaluators and interval % 4 else -0.01 * member)

    donors = {d.donor for _, _, decisions in play(algorithm, score, population=22) for d in decisions if isinstance(d, Replace)}
    assert not donors & set(evaluators)


def test_a_success_waits_for_a_lagging_member_and_is_kept_meanwhile() -> None:
    algorithm = FirePBT()
    first = algorithm.parts(22)[2].start

    def score(member: int, interval: int) -> float:
        return (2.0 if member == first else 1.0) * interval - 0.01 * member

    calls = play(algorithm, score, population=22, alone=True)
    kept = [set(algorithm.keeps(state)) for state, _, _ in calls]
    assert any(kept)
    for place, (_, _, decisions) in enumerate(calls):
        (decision,) = decisions
        if isinstance(decision, Replace) and decision.donor == first:
            assert (decision.donor, decision.donor_interval) in kept[place - 1]
            assert (decision.donor, decision.donor_interval) not in kept[place]


# Restarts.


def plateau(member: int, interval: int) -> float:
    return float(min(interval, 4)) - 0.01 * member


def test_stagnation_begins_a_more_patient_generation() -> None:
    algorithm = Restarts(inner=PBT(exploit=exploit.truncation(0.25)), patience=2, window=1)
    calls = play(algorithm, plateau)
    begun = [r[0].interval for _, r, decisions in calls if any(isinstance(d, Restart) for d in decisions)]
    assert begun[0] == 6  # the last rise is that to interval 4
    first = next(decisions for _, r, decisions in calls if r[0].interval == 6)
    assert [isinstance(d, Restart) for d in first] == [False] * 8 + [True] * 8
    assert all(d.donor < 4 for d in first if isinstance(d, Replace))
    assert begun[1] - begun[0] >= 5  # two periods of two intervals without a rise
    ready = {r[0].interval for _, r, decisions in calls if any("bottom" in d.because for d in decisions)}
    assert ready & set(range(1, 6)) == set(range(1, 6))
    assert not {i for i in ready if 6 < i <= begun[1] and i % 2}


def test_a_population_that_gets_better_is_not_restarted() -> None:
    algorithm = Restarts(inner=PBT(exploit=exploit.truncation(0.25)), patience=1, window=3)
    calls = play(algorithm, lambda member, interval: interval - 0.01 * member)
    assert not [d for _, _, decisions in calls for d in decisions if isinstance(d, Restart)]


def test_alone_everybody_joins_the_new_generation_at_the_next_report() -> None:
    algorithm = Restarts(inner=PBT(exploit=exploit.truncation(0.25)), patience=2, window=1)
    calls = play(algorithm, plateau, alone=True)
    end = next(place for place, (state, _, _) in enumerate(calls) if state.generation == 1)
    state = calls[end + 16][0]
    assert state.generations == [1] * 16


# Dead band.


def test_the_dead_band_spares_members_within_the_noise() -> None:
    algorithm = PBT(exploit=exploit.dead_band(deviations=0.1, margin=0.5))
    context = context_of(SPACE, 8)
    state, starts = algorithm.init(context)
    within = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.2, 0.7]
    assert all(isinstance(d, Continue) for d in algorithm.tell(context, state, round_of(1, within, starts))[1])
    apart = [*within[:-1], -1.0]
    decisions = algorithm.tell(context, state, round_of(1, apart, starts))[1]
    assert [isinstance(d, Replace) for d in decisions] == [False] * 7 + [True]
    assert "below the dead band, which ends at 0.275" in decisions[7].because


# Members that move.


def lattice(values: Sequence[float]) -> list[dict[str, Value]]:
    return [{"x": v} for v in values]


def told(
    algorithm: Algorithm[Any], context: Context, state: Any, interval: int, fitness: Sequence[float], x: Sequence[float]
) -> Any:
    return algorithm.tell(context, state, round_of(interval, fitness, lattice(x)))


def test_the_slower_of_a_pair_moves_towards_the_faster_one() -> None:
    context = context_of({"x": Float(0.0, 1.0)}, 2)
    algorithm = Pairwise(mutation=0.0)
    state, _ = algorithm.init(context)
    state, decisions = told(algorithm, context, state, 1, [1.0, 0.0], [0.8, 0.2])
    rng = context.keys.generator("velocity", 1, 1)
    _, second, _, _ = rng.random((4, 1))
    assert isinstance(decisions[0], Continue)
    assert decisions[1].hparams["x"] == pytest.approx(0.2 + second[0] * 0.6)
    before = state.velocities[1][0]
    assert before == pytest.approx(second[0] * 0.6)
    state, decisions = told(algorithm, context, state, 2, [1.0, 0.0], [0.8, 0.3])
    first, second, _, _ = context.keys.generator("velocity", 1, 2).random((4, 1))
    assert decisions[1].hparams["x"] == pytest.approx(min(1.0, 0.3 + first[0] * before + second[0] * 0.5))


def test_the_swarm_goes_to_its_own_best_and_to_everybodys() -> None:
    context = context_of({"x": Float(0.0, 1.0)}, 4)
    algorithm = Swarm()
    state, _ = algorithm.init(context)
    state, _ = told(algorithm, context, state, 1, [0.0, 1.0, 1.0, 3.0], [0.1, 0.5, 0.5, 0.9])
    velocity = state.velocities[0][0]
    state, decisions = told(algorithm, context, state, 2, [-1.0, 1.0, 1.0, 3.0], [0.4, 0.5, 0.5, 0.9])
    first, second = context.keys.generator("velocity", 0, 2).random((2, 1))
    want = 0.4 + 0.3 * velocity + 0.6 * first[0] * (0.1 - 0.4) + 0.8 * second[0] * (0.9 - 0.4)
    assert decisions[0].hparams["x"] == pytest.approx(min(max(want, 0.0), 1.0))
    assert decisions[0].donor == 3


# What it is all for.


@cache
def ends(name: str) -> list[float]:
    """Return the best scores of eight runs on the deceptive toy, from draws in [0.9, 1.1]; random search has all the range."""
    makers: dict[str, Callable[[Any], Algorithm[Any]]] = {
        "PBT": lambda starts: PBT(exploit=exploit.truncation(0.25), explore=explore.perturb((0.8, 1.25)), initial=starts),
        "random": lambda starts: RandomSearch(),
        "MF-PBT": lambda starts: MFPBT(initial=starts),
        "FIRE-PBT": lambda starts: FirePBT(initial=starts),
    }
    space = {"h": Float(1e-4, 1.1)} if name == "random" else toy_plain.SPACE
    sizes: dict[str, Any] = {"population": 22, "intervals": 50, "steps": (20,)}
    found = []
    for seed in range(8):
        starts = tuple({"h": float(h)} for h in np.random.default_rng(seed).uniform(0.9, 1.1, 22))
        found.append(max(train(Deceptive, space, makers[name](starts), **sizes, seed=seed)))
    return found


@pytest.mark.parametrize("name", ["MF-PBT", "FIRE-PBT"])
def test_patience_beats_greed_and_chance_where_greed_loses(name: str) -> None:
    assert np.mean(ends(name)) > max(np.mean(ends("PBT")), np.mean(ends("random"))) + 0.03
    assert sum(patient > greedy for patient, greedy in zip(ends(name), ends("PBT"), strict=True)) >= 7


@pytest.mark.parametrize("algorithm", EVERY, ids=repr)
def test_where_greed_is_right_nobody_is_left_far_behind(algorithm: Algorithm[Any]) -> None:
    best = train(Plain, toy_plain.SPACE, algorithm, population=22, intervals=50, steps=(20,), seed=0)
    assert best[-1] > 1.19


def test_behind_a_dead_band_nobody_copies_whoever_is_below_the_mean() -> None:
    algorithm = PBT(exploit=exploit.dead_band(margin=1.0, quantile=0.5))
    context = context_of(SPACE, 6)
    state, starts = algorithm.init(context)
    _, decisions = algorithm.tell(context, state, round_of(1, [0.1, 0.9, 0.2, 24.0, 0.8, 0.5], starts))
    assert {d.donor for d in decisions if isinstance(d, Replace)} == {3}
    _, decisions = algorithm.tell(context, state, round_of(1, [0.1, 0.9, 0.2, 0.7, 0.8, 0.5], starts))
    assert not [d for d in decisions if isinstance(d, Replace)]  # differences below the margin are noise
