"""PBT where members report one at a time."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from populations import context_of

from poptrain.core.decisions import Continue, Decision, Replace, Stop
from poptrain.core.report import Report
from poptrain.space import Float, Int
from poptrain.strategies import PBT, exploit, explore
from poptrain.strategies.pbt import PBTState

SPACE = {"lr": Float(1e-4, 1.0, log=True), "width": Int(1, 64, structural=True)}
NAN = math.nan


class Population:
    """An asynchronous population: `report` tells of one member's next interval."""

    def __init__(self, algorithm: PBT, population: int, *, seed: int = 0, intervals: int = 100) -> None:
        self.context = context_of(SPACE, population, intervals=intervals, seed=seed)
        self.algorithm = algorithm
        self.state, starts = algorithm.init(self.context)
        self.hparams = [dict(start) for start in starts]
        self.intervals = [0] * population

    def report(self, member: int, fitness: float) -> Decision:
        self.intervals[member] += 1
        told = Report(member, self.intervals[member], fitness, self.hparams[member])
        self.state, (decision,) = self.algorithm.tell(self.context, self.state, [told])
        if isinstance(decision, Replace):
            self.hparams[member] = dict(decision.hparams)
        return decision


def pair(**options: Any) -> Population:
    return Population(PBT(exploit=exploit.truncation(0.5), **options), 2)


def test_whoever_reports_first_has_nobody_to_copy() -> None:
    population = Population(PBT(exploit=exploit.tournament()), 3)
    assert isinstance(population.report(0, 0.1), Continue)
    assert isinstance(population.report(0, NAN), Continue), "no healthy member has reported: train on"
    assert isinstance(population.report(1, 0.5), Continue)
    assert isinstance(population.report(0, 0.1), Replace)


def test_a_donor_is_taken_as_it_last_reported() -> None:
    population = pair()
    for fitness in (1.0, 2.0, 3.0):
        assert isinstance(population.report(1, fitness), Continue)
    decision = population.report(0, 0.5)
    assert isinstance(decision, Replace)
    assert (decision.donor, decision.donor_interval) == (1, 3)
    assert decision.hparams["width"] == population.hparams[1]["width"]


def test_a_copy_counts_as_what_it_copied_until_it_reports_itself() -> None:
    population = Population(PBT(exploit=exploit.truncation(0.34), explore=explore.perturb((1.2,))), 3)
    population.report(1, 0.5)
    population.report(0, 0.9)
    assert isinstance(population.report(2, 0.1), Replace)
    donated = population.state.hparams[2]
    assert donated == population.state.hparams[0], "what earned the score, not what is yet to be tried"
    assert population.state.fitness == [0.9, 0.5, 0.9]
    second = population.report(1, 0.6)
    assert isinstance(second, Replace), "the copy is no longer the last one"
    assert second.donor in (0, 2)
    assert second.because.startswith("fitness 0.6 ranks 3 of 3")
    third = population.report(0, 0.95)
    assert isinstance(third, Continue)
    assert population.state.fitness == [0.95, 0.9, 0.9]


def test_all_members_have_to_fail_before_the_study_stops() -> None:
    population = pair()
    assert isinstance(population.report(0, NAN), Continue)
    stop = population.report(1, math.inf)
    assert stop == Stop("all 2 members failed; the last at interval 1")


def test_a_failed_member_waits_for_a_healthy_one() -> None:
    population = pair()
    assert isinstance(population.report(0, NAN), Continue)
    assert isinstance(population.report(1, 0.1), Continue)
    assert isinstance(population.report(0, NAN), Replace)


def test_a_donor_that_failed_since_is_none() -> None:
    population = Population(PBT(exploit=exploit.truncation(0.5), compare="equal_step"), 3)
    population.report(0, 9.0)
    population.report(2, 1.0)
    population.report(2, 1.0)
    decision = population.report(0, NAN)
    assert isinstance(decision, Replace)
    assert decision.donor == 2
    population = Population(PBT(exploit=exploit.tournament(), compare="equal_step"), 2)
    population.report(0, 9.0)
    population.report(0, NAN)
    assert isinstance(population.report(1, 1.0), Continue), "member 0 was better at this step, but its state is lost"


def test_equal_steps_are_compared_with_equal_steps() -> None:
    ahead, alike = pair(), pair(compare="equal_step")
    for population in (ahead, alike):
        for fitness in (0.1, 0.2, 0.9):
            population.report(1, fitness)
    assert isinstance(ahead.report(0, 0.15), Replace), "0.15 after one interval against 0.9 after three"
    decision = alike.report(0, 0.15)
    assert isinstance(decision, Continue), "0.15 against 0.1, each after one interval"
    worse = alike.report(0, 0.19)
    assert isinstance(worse, Replace), "0.19 against 0.2, each after two"
    assert worse.donor_interval == 3, "its state is the latest one"


def test_equal_steps_that_nobody_has_reached_are_not_compared() -> None:
    population = pair(compare="equal_step")
    population.report(1, 5.0)
    assert isinstance(population.report(0, 0.1), Replace)
    assert isinstance(population.report(0, 0.1), Continue), "member 1 has not completed two intervals"


def test_who_has_not_come_so_far_takes_no_rank() -> None:
    population = Population(PBT(exploit=exploit.truncation(0.34), compare="equal_step"), 3)
    population.report(2, 1.0)
    for _ in range(2):
        population.report(0, 1.0)
    population.report(1, 1.0)
    decision = population.report(1, 0.5)
    assert isinstance(decision, Replace), "the last of the two that have completed two intervals"
    assert decision.because.startswith("fitness 0.5 ranks 2 of 2")


def test_members_too_far_away_do_not_count() -> None:
    near, far = pair(max_lag=2), pair(max_lag=1)
    for population in (near, far):
        for _ in range(3):
            population.report(1, 1.0)
    assert isinstance(near.report(0, 0.0), Replace)
    assert isinstance(far.report(0, 0.0), Continue)
    assert isinstance(far.report(0, 0.0), Replace)


def test_a_failed_member_may_copy_from_any_distance() -> None:
    population = pair(max_lag=0)
    for _ in range(5):
        population.report(1, 1.0)
    assert isinstance(population.report(0, NAN), Replace)


def test_grace_counts_ones_own_intervals() -> None:
    population = pair(grace=1)
    population.report(1, 1.0)
    kinds = [type(population.report(0, 0.0)) for _ in range(4)]
    assert kinds == [Replace, Continue, Replace, Continue]


def test_the_last_interval_of_a_member_is_its_own() -> None:
    population = Population(PBT(exploit=exploit.truncation(0.5)), 2, intervals=2)
    population.report(1, 1.0)
    assert isinstance(population.report(0, 0.0), Replace)
    decision = population.report(0, 0.0)
    assert isinstance(decision, Continue)
    assert "last interval" in decision.because


@pytest.mark.parametrize("member", [0, 1])
def test_ties_are_broken_in_both_directions(member: int) -> None:
    population = pair()
    population.report(1 - member, 1.0)
    kinds = {type(population.report(member, 1.0)) for _ in range(30)}
    assert kinds == {Replace, Continue}


scores = st.one_of(st.floats(-5, 5), st.sampled_from([NAN, math.inf, 0.0, 0.0]))
policies = st.builds(
    PBT,
    exploit=st.sampled_from([exploit.truncation(0.3), exploit.tournament(), exploit.t_test(3, 0.5)]),
    compare=st.sampled_from(["latest", "equal_step"]),
    copy=st.sampled_from(["both", "hyperparameters"]),
    max_lag=st.sampled_from([None, 0, 2]),
    grace=st.integers(0, 2),
    ready_interval=st.integers(1, 2),
)


@given(policies, st.integers(2, 6), st.lists(st.tuples(st.integers(0, 5), scores), max_size=40), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_any_order_of_reports_keeps_the_promises(algorithm: PBT, size: int, told: list[tuple[int, float]], seed: int) -> None:
    population = Population(algorithm, max(size, 3), seed=seed)
    healthy: dict[int, bool] = {}  # whether a member's state, as it was last published or copied, is a good one
    for number, fitness in told:
        member = number % len(population.intervals)
        decision = population.report(member, fitness)
        healthy[member] = math.isfinite(fitness)
        back = msgspec.json.decode(msgspec.json.encode(population.state), type=PBTState)
        assert back == population.state
        if isinstance(decision, Stop):
            assert len(healthy) == len(population.intervals)
            assert not any(healthy.values())
            return
        assert decision.member == member
        if isinstance(decision, Replace):
            assert healthy[decision.donor]
            assert decision.donor != member
            assert decision.donor_interval == population.intervals[decision.donor]
            assert population.context.space.validate(decision.hparams) == decision.hparams
            healthy[member] = healthy[member] or decision.weights
        else:
            others = any(good for m, good in healthy.items() if m != member)
            assert healthy[member] or not others, "a failed member was left alone beside a healthy one"
