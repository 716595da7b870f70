"""Successive halving: who goes on, who makes room, and what the rungs hold."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from campaigns import Campaign, campaign, told
from hypothesis import given, settings
from hypothesis import strategies as st

from poptrain.baselines import ASHA, SuccessiveHalving
from poptrain.core.decisions import Continue, Restart
from poptrain.core.errors import BudgetError, ConfigError
from poptrain.core.report import Report
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.space import Choice, Float, Int, Space
from poptrain.strategies import Context
from poptrain.strategies.codec import policy_from_json, policy_to_json

SPACE = Space({"lr": Float(0.0, 1.0), "layers": Int(1, 4), "act": Choice(["a", "b", "c"])})


def context(*, population: int = 9, intervals: int = 9, seed: int = 0) -> Context:
    return Context(Keys(seed), SPACE, population, intervals)


def by_rate(hparams: Hparams, age: int, interval: int) -> float:
    rate = hparams["lr"]
    assert isinstance(rate, float)
    return rate


def lengths(run: Campaign) -> Counter[int]:
    return Counter(spent for m in range(len(run.trained)) for _, spent in run.turns(m))


def test_a_bracket_of_nine_becomes_three_and_one() -> None:
    run = campaign(SuccessiveHalving(), context(), by_rate)
    first = [line[0][0]["lr"] for line in run.trained]
    best = sorted(range(9), key=lambda m: -first[m])
    spent = [run.turns(m)[0][1] for m in range(9)]
    assert spent[best[0]] == 9
    assert [spent[m] for m in best[1:3]] == [3, 3]
    assert [spent[m] for m in best[3:]] == [1] * 6


def test_later_brackets_are_judged_among_themselves() -> None:
    """The six that begin after interval 1 keep two of them, however good the first bracket is."""
    run = campaign(SuccessiveHalving(), context(intervals=3), by_rate)
    began = [m for m in range(9) if run.turns(m)[0][1] == 1]
    assert len(began) == 6
    kept = [m for m in began if run.turns(m)[1][1] == 2]
    second = {m: run.turns(m)[1][0]["lr"] for m in began}
    assert sorted(kept, key=lambda m: -second[m]) == sorted(began, key=lambda m: -second[m])[:2]


def test_asha_judges_by_all_that_ever_got_there() -> None:
    ctx, policy = context(population=2, intervals=100), ASHA(eta=2)
    state, (a, b) = policy.init(ctx)
    state, (first,) = told(policy, ctx, state, [Report(0, 1, 0.9, a)])
    assert first == Continue(0, "fitness 0.9 ranks 1 of 1 after 1 intervals: among the best 1, goes on")
    state, (second,) = told(policy, ctx, state, [Report(1, 1, 0.1, b)])
    assert isinstance(second, Restart)
    assert (
        second.because
        == "configuration 1 stops: fitness 0.1 ranks 2 of 2 after 1 intervals, and 1 go on; configuration 2 begins"
    )
    state, (third,) = told(policy, ctx, state, [Report(1, 2, 0.5, second.hparams)])
    assert isinstance(third, Restart), "second of three, and one goes on"
    state, (fourth,) = told(policy, ctx, state, [Report(1, 3, 0.6, third.hparams)])
    assert isinstance(fourth, Continue), "second of four, and two go on"
    assert state.rungs == {0: {1: [0.9, 0.1, 0.5, 0.6]}}


def test_in_step_everybody_is_recorded_before_anybody_is_judged() -> None:
    ctx, policy = context(population=4, intervals=9), ASHA(eta=2)
    state, starts = policy.init(ctx)
    _, decisions = told(policy, ctx, state, [Report(m, 1, float(m), starts[m]) for m in range(4)])
    assert [type(decision) for decision in decisions] == [Restart, Restart, Continue, Continue]


@pytest.mark.parametrize("policy", [SuccessiveHalving(eta=2), ASHA(eta=2)])
def test_equal_scores_are_told_apart_by_lot(policy: SuccessiveHalving | ASHA) -> None:
    kept = set()
    for seed in range(20):
        ctx = context(population=2, seed=seed)
        state, starts = policy.init(ctx)
        _, decisions = told(policy, ctx, state, [Report(m, 1, 0.5, starts[m]) for m in range(2)])
        assert [type(decision) for decision in decisions].count(Continue) == 1
        kept.add(next(d.member for d in decisions if isinstance(d, Continue)))
    assert kept == {0, 1}


def test_a_failed_one_ends_at_once_and_counts_on_its_rung() -> None:
    ctx, policy = context(population=4, intervals=8), SuccessiveHalving(eta=2, min_length=2)
    state, starts = policy.init(ctx)
    state, decisions = told(policy, ctx, state, [Report(m, 1, math.nan if m == 0 else 1.0, starts[m]) for m in range(4)])
    assert [type(decision) for decision in decisions] == [Restart, Continue, Continue, Continue]
    assert decisions[0].because == "configuration 0 failed; configuration 4 begins"
    state, decisions = told(policy, ctx, state, [Report(m, 2, float(m), starts[m]) for m in range(4)])
    assert [type(decision) for decision in decisions] == [Continue, Restart, Continue, Continue], "two of four go on"


def test_a_complete_configuration_makes_room() -> None:
    run = campaign(ASHA(eta=2, max_length=4), context(population=3, intervals=12), by_rate)
    assert max(lengths(run)) == 4
    assert any("is complete after 4 intervals" in restart.because for restart in run.restarts)


@pytest.mark.parametrize("synchronous", [True, False])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_budget_is_exceeded_and_the_rest_ends_on_rungs(synchronous: bool, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([ASHA, SuccessiveHalving]))
    eta, shortest = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 3))
    ctx = context(population=data.draw(st.integers(2, 8)), intervals=data.draw(st.integers(shortest, 14)))
    failing = data.draw(st.floats(0.0, 0.5))

    def score(hparams: Hparams, age: int, interval: int) -> float:
        rate = by_rate(hparams, age, interval)
        return rate if rate > failing else math.nan

    run = campaign(
        kind(eta=eta, min_length=shortest), ctx, score, synchronous=synchronous, shuffle=data.draw(st.integers(0, 99))
    )
    rungs = {shortest * eta**k for k in range(5)}
    for m in range(ctx.population):
        assert len(run.trained[m]) <= ctx.intervals
        for hparams, spent in run.turns(m)[:-1]:
            assert spent == 1 if hparams["lr"] <= failing else spent in rungs
    begun = ctx.population + len(run.restarts)
    assert run.state.turns.count == begun
    if kind is SuccessiveHalving:
        assert set(run.state.rungs) <= set(run.state.turns.begun), "rungs of brackets that are gone are forgotten"


@pytest.mark.parametrize("kind", [ASHA, SuccessiveHalving])
@pytest.mark.parametrize(
    "options", [{"eta": 1}, {"eta": 2.5}, {"min_length": 0}, {"min_length": 4, "max_length": 3}, {"max_length": 0}]
)
def test_rules_that_make_no_sense_are_refused(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        kind(**options)


def test_populations_and_budgets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="use ASHA"):
        SuccessiveHalving().init(context(population=1))
    ASHA().init(context(population=1))
    for policy in (ASHA(min_length=10), SuccessiveHalving(min_length=10)):
        with pytest.raises(BudgetError, match="min_length=10 and intervals=9: pass min_length=9"):
            policy.init(context())
        assert policy_from_json(policy_to_json(policy)) == policy
