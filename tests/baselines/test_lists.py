"""Grid search and configurations by hand: every one gets its turn, and the budget holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from campaigns import campaign
from hypothesis import given, settings
from hypothesis import strategies as st

from poptrain.baselines import GridSearch, Manual
from poptrain.baselines.manual import Points
from poptrain.core.decisions import Continue, Replace, Restart
from poptrain.core.errors import BudgetError, ConfigError, SpaceError
from poptrain.core.report import Report
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.results import Schedule, Span
from poptrain.space import Choice, Constant, Float, Int, Space
from poptrain.strategies import Context
from poptrain.strategies.codec import policy_from_json, policy_to_json

SPACE = Space({"lr": Float(0.01, 1.0, log=True), "act": Choice(["relu", "gelu"]), "seed": Constant(3)})


def context(space: Space = SPACE, *, population: int = 4, intervals: int = 6) -> Context:
    return Context(Keys(0), space, population, intervals)


def fine(hparams: Hparams, age: int, interval: int) -> float:
    return float(age)


def key(hparams: Hparams) -> tuple[tuple[str, object], ...]:
    return tuple(hparams.items())


# What is in a grid.


def test_numbers_are_even_in_their_own_scale_and_choices_are_all_there() -> None:
    axes = GridSearch(points=3).axes(SPACE)
    assert axes["lr"] == pytest.approx((0.01, 0.1, 1.0))
    assert axes["act"] == ("relu", "gelu")
    assert axes["seed"] == (3,)
    assert GridSearch(points=3).size(SPACE) == 6


def test_a_single_point_lies_in_the_middle() -> None:
    assert GridSearch(points=1).axes(SPACE)["lr"] == pytest.approx((0.1,))


def test_a_short_range_of_whole_numbers_has_each_once() -> None:
    axes = GridSearch(points=9).axes(Space({"layers": Int(1, 4), "width": Int(1, 100)}))
    assert axes["layers"] == (1, 2, 3, 4)
    assert (axes["width"][0], axes["width"][-1], len(axes["width"])) == (1, 100, 9)


def test_listed_values_come_before_points() -> None:
    grid = GridSearch(points=2, values={"lr": [1, 0.5]})
    assert grid.axes(SPACE)["lr"] == (1.0, 0.5)
    _, starts = grid.init(context())
    assert [(start["lr"], start["act"]) for start in starts] == [(1.0, "relu"), (1.0, "gelu"), (0.5, "relu"), (0.5, "gelu")]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": [2.0]}, "must be a number in"),
        ({"lr": [0.1, 0.1]}, "must differ"),
        ({"act": ["tanh"]}, "must be one of"),
        ({"rate": [0.1]}, "no hyperparameter 'rate'"),
    ],
)
def test_values_that_do_not_fit_the_space_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GridSearch(values=values).init(context())


@pytest.mark.parametrize(
    "options", [{"points": 0}, {"points": True}, {"values": {"lr": []}}, {"values": {"lr": "ab"}}, {"length": 0}]
)
def test_options_that_make_no_grid_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        GridSearch(**options)


# Turns.


@pytest.mark.parametrize("synchronous", [True, False])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_configuration_of_a_grid_that_fits_has_its_whole_turn(synchronous: bool, data: st.DataObject) -> None:
    population, points = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    grid = GridSearch(points=points, length=data.draw(st.one_of(st.none(), st.integers(1, 3))))
    turns = -(-grid.size(SPACE) // population)
    intervals = turns * (grid.length or 1) + data.draw(st.integers(0, 4))
    ctx = context(population=population, intervals=intervals)
    run = campaign(grid, ctx, fine, synchronous=synchronous, shuffle=data.draw(st.integers(0, 99)))
    length = grid.length or intervals // turns
    whole = {key(hparams) for m in range(population) for hparams, spent in run.turns(m) if spent == length}
    assert len(whole) == grid.size(SPACE)
    assert all(spent <= length for m in range(population) for _, spent in run.turns(m))
    assert [len(line) for line in run.trained] == [intervals] * population


def test_a_grid_that_fits_is_trained_to_the_end() -> None:
    run = campaign(GridSearch(points=2), context(), fine)
    assert not run.restarts
    assert all(isinstance(decision, Continue) for decision in run.decisions)


def test_a_grid_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(BudgetError) as refused:
        GridSearch(points=8, length=4).init(context())
    assert str(refused.value) == (
        "the grid (8 x 2 x 1) has 16 configurations of 4 intervals each, but 4 members with 6 intervals have room for 4: "
        "pass length=1, intervals=16, a larger population, or fewer configurations"
    )
    GridSearch(points=8, length=1).init(context())
    GridSearch(points=8, length=4).init(context(intervals=16))
    with pytest.raises(BudgetError, match="room for 24: pass intervals=8, a larger"):
        GridSearch(points=16).init(context())


def test_a_failed_configuration_makes_room_at_once() -> None:
    def failing(hparams: Hparams, age: int, interval: int) -> float:
        return math.nan if hparams["act"] == "gelu" else 1.0

    run = campaign(GridSearch(points=4, length=3), context(population=2, intervals=12), failing)
    assert run.turns(1)[0][1] == 1
    first = run.restarts[0]
    assert (first.member, first.because) == (1, "configuration 1 failed: configuration 2 begins")
    tried = {key(hparams) for m in range(2) for hparams, spent in run.turns(m) if spent == 3 or hparams["act"] == "gelu"}
    assert len(tried) == 8


def test_a_rest_too_short_for_a_turn_takes_nobodys_turn_away() -> None:
    """Whoever comes first to the end begins its own configuration again, and leaves the last new one to the other."""
    policy, ctx = GridSearch(points=2, length=2), context(population=2, intervals=5)
    state, starts = policy.init(ctx)
    hparams = list(starts)
    for interval in range(1, 5):
        state, (decision,) = policy.tell(ctx, state, [Report(0, interval, 1.0, hparams[0])])
        if isinstance(decision, Restart):
            hparams[0] = decision.hparams
    assert isinstance(decision, Restart)
    assert decision.because == "configuration 2 had its turn of 2 intervals: configuration 2 begins"
    assert state.count == 3


def test_a_grid_where_everything_fails_stops() -> None:
    run = campaign(GridSearch(points=4, length=3), context(population=2, intervals=12), lambda *_: math.nan)
    assert run.stopped is not None
    assert run.stopped.because == "the last 6 intervals all failed, whatever the configuration; the last at interval 3"


# By hand.


def test_schedules_hold_from_the_beginning_of_each_turn() -> None:
    constant: Hparams = {"lr": 0.5, "act": "relu"}
    decayed: Points = ((0, {"lr": 0.4, "act": "gelu"}), (2, {"lr": 0.1, "act": "gelu"}))
    run = campaign(Manual((constant, decayed, constant)), context(population=1, intervals=9), fine)
    assert [hparams["lr"] for hparams, _ in run.trained[0]] == [0.5, 0.5, 0.5, 0.4, 0.4, 0.1, 0.5, 0.5, 0.5]
    assert [age for _, age in run.trained[0]] == [1, 2, 3] * 3
    changed = [decision for decision in run.decisions if not isinstance(decision, Continue)]
    assert [type(decision) for decision in changed] == [Restart, Replace, Restart]
    assert isinstance(changed[1], Replace)
    assert (changed[1].donor, changed[1].weights) == (0, False)


def test_a_list_shorter_than_the_population_begins_again() -> None:
    _, starts = Manual(({"lr": 0.5, "act": "relu"}, {"lr": 0.1, "act": "relu"})).init(context(population=3))
    assert [start["lr"] for start in starts] == [0.5, 0.1, 0.5]


def test_a_studys_schedule_is_a_configuration() -> None:
    schedule = Schedule([Span(0, 20, {"lr": 0.5, "act": "relu"}, 0), Span(20, 40, {"lr": 0.1, "act": "relu"}, 1)])
    run = campaign(Manual.of(schedule, 10), context(population=2, intervals=4), fine)
    assert [hparams["lr"] for hparams, _ in run.trained[1]] == [0.5, 0.5, 0.1, 0.1]


@pytest.mark.parametrize("configurations", [(), {"lr": 0.1}, "lr", (3,), (((1, {"lr": 0.1}),),), ((("a", 1),),)])
def test_lists_that_make_no_sense_are_refused(configurations: Any) -> None:
    with pytest.raises(ConfigError):
        Manual(configurations)


def test_configurations_are_checked_against_the_space() -> None:
    with pytest.raises(SpaceError, match="must be a number in"):
        Manual(({"lr": 3.0, "act": "relu"},)).init(context())
    structural = Space({"width": Choice([8, 16], structural=True)})
    with pytest.raises(ConfigError, match="'width' changes the shape of the state"):
        Manual((((0, {"width": 8}), (1, {"width": 16})),)).init(context(structural))


@pytest.mark.parametrize(
    "policy",
    [GridSearch(points=2, values={"lr": [0.1, 0.2]}, length=4), Manual(({"lr": 0.1}, ((0, {"lr": 0.5}), (2, {"lr": 0.1}))))],
)
def test_they_survive_the_journal(policy: Any) -> None:
    assert policy_from_json(policy_to_json(policy)) == policy
