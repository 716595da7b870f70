"""Replay: everybody trains under one schedule, and nobody is copied."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptrain.core.decisions import Continue, Replace, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.results import Schedule, Span
from poptrain.space import Float, Space
from poptrain.strategies import Replay
from poptrain.strategies.base import Context
from poptrain.strategies.codec import policy_from_json, policy_to_json

SPACE = Space({"lr": Float(0.0, 1.0)})


def context(*, population: int = 3, intervals: int = 6) -> Context:
    return Context(Keys(0), SPACE, population, intervals)


def played(policy: Replay, ctx: Context, *, synchronous: bool = True) -> list[list[Hparams]]:
    """Return the hyperparameters that each member trained each interval with."""
    state, starts = policy.init(ctx)
    now = [dict(hparams) for hparams in starts]
    trained: list[list[Hparams]] = [[] for _ in now]
    for interval in range(1, ctx.intervals + 1):
        reports = [Report(m, interval, 1.0, dict(hparams)) for m, hparams in enumerate(now)]
        for group in [reports] if synchronous else [[report] for report in reports]:
            for report in group:
                trained[report.member].append(report.hparams)
            state, decisions = policy.tell(ctx, state, group)
            for decision in decisions:
                assert isinstance(decision, (Continue, Replace))
                if isinstance(decision, Replace):
                    assert (decision.donor, decision.weights) == (decision.member, False)
                    now[decision.member] = dict(decision.hparams)
    return trained


@pytest.mark.parametrize("synchronous", [True, False])
@given(values=st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=8))
def test_every_member_trains_under_the_schedule(synchronous: bool, values: list[float]) -> None:
    schedule = Schedule(Span(10 * i, 10 * (i + 1), {"lr": value}, i) for i, value in enumerate(values))
    policy = Replay.of(schedule, 10)
    for line in played(policy, context(intervals=len(values)), synchronous=synchronous):
        assert [hparams["lr"] for hparams in line] == values


def test_points_are_merged_where_only_the_member_changes() -> None:
    schedule = Schedule([Span(0, 20, {"lr": 0.5}, 0), Span(20, 40, {"lr": 0.5}, 1), Span(40, 60, {"lr": 0.1}, 1)])
    assert Replay.of(schedule, 20).points == ((0, {"lr": 0.5}), (2, {"lr": 0.1}))


def test_the_last_hyperparameters_hold_to_the_end() -> None:
    line = played(Replay(((0, {"lr": 0.5}), (2, {"lr": 0.1}))), context(intervals=5))[0]
    assert [hparams["lr"] for hparams in line] == [0.5, 0.5, 0.1, 0.1, 0.1]


def test_a_change_inside_of_an_interval_is_refused() -> None:
    schedule = Schedule([Span(0, 15, {"lr": 0.5}, 0), Span(15, 40, {"lr": 0.1}, 0)])
    with pytest.raises(ConfigError, match="at step 15, inside of an interval of 10 steps"):
        Replay.of(schedule, 10)


def test_an_empty_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty schedule"):
        Replay.of(Schedule([]), 10)


@pytest.mark.parametrize("points", [(), ((1, {"lr": 0.5}),), ((0, {"lr": 0.5}), (0, {"lr": 0.1})), ((0, {}), (3, {}), (2, {}))])
def test_points_begin_at_0_and_rise(points: Any) -> None:
    with pytest.raises(ConfigError, match="begin at interval 0 and rise"):
        Replay(points)


@pytest.mark.parametrize("hparams", [{"lr": 2.0}, {"rate": 0.1}, {}])
def test_points_outside_of_the_space_are_refused(hparams: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Replay(((0, {"lr": 0.1}), (1, hparams))).init(context())


def test_it_stops_when_everybody_failed() -> None:
    policy, ctx = Replay(((0, {"lr": 0.1}),)), context(population=2)
    state, _ = policy.init(ctx)
    reports = [Report(m, 1, float("nan"), {"lr": 0.1}) for m in range(2)]
    _, decisions = policy.tell(ctx, state, reports)
    assert isinstance(decisions[0], Stop)


def test_it_survives_the_journal() -> None:
    policy = Replay(((0, {"lr": 0.5}), (2, {"lr": 0.1})))
    assert policy_from_json(policy_to_json(policy)) == policy
