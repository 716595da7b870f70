"""Random search: the baseline that copies nobody."""

from __future__ import annotations

import math

import msgspec
import pytest
from campaigns import campaign
from hypothesis import given, settings
from hypothesis import strategies as st
from populations import context_of, round_of

from poptrain.core.decisions import Continue, Stop
from poptrain.core.errors import BudgetError, ConfigError
from poptrain.core.report import Report
from poptrain.space import Float
from poptrain.strategies import PBT, RandomSearch
from poptrain.strategies.random_search import Health

SPACE = {"lr": Float(1e-4, 1.0, log=True)}


def test_everybody_goes_on_with_what_was_drawn() -> None:
    context = context_of(SPACE, 5)
    state, starts = RandomSearch(initial=({"lr": 0.5},)).init(context)
    assert starts[0] == {"lr": 0.5}
    assert len({start["lr"] for start in starts}) == 5
    state, decisions = RandomSearch().tell(context, state, round_of(1, [math.nan, 1.0, 2.0, math.inf, 0.0], starts))
    assert [d.member for d in decisions if isinstance(d, Continue)] == [0, 1, 2, 3, 4]
    assert msgspec.json.decode(msgspec.json.encode(state), type=Health) == state


def test_it_begins_where_pbt_begins() -> None:
    context = context_of(SPACE, 5)
    assert RandomSearch().init(context)[1] == PBT().init(context)[1]


def test_it_stops_where_everybody_failed_also_one_at_a_time() -> None:
    context = context_of(SPACE, 2)
    state, starts = RandomSearch().init(context)
    before = Health(list(state.failed))
    after, (first,) = RandomSearch().tell(context, state, [Report(0, 1, math.nan, starts[0])])
    assert state == before, "tell changed the state it was given"
    assert isinstance(first, Continue)
    state, (second,) = RandomSearch().tell(context, after, [Report(1, 4, math.nan, starts[1])])
    assert second == Stop("all 2 members failed; the last at interval 4")
    _, (recovered,) = RandomSearch().tell(context, after, [Report(0, 2, 0.1, starts[0])])
    assert isinstance(recovered, Continue)


# Several configurations a member.


@pytest.mark.parametrize("synchronous", [True, False])
@given(length=st.integers(1, 5), intervals=st.integers(5, 12), population=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_each_configuration_has_its_turn(synchronous: bool, length: int, intervals: int, population: int) -> None:
    context = context_of(SPACE, population, intervals=intervals)
    run = campaign(RandomSearch(length=length), context, lambda *_: 1.0, synchronous=synchronous)
    turns = [run.turns(m) for m in range(population)]
    assert all([spent for _, spent in line[:-1]] == [length] * ((intervals - 1) // length) for line in turns)
    seen = [hparams["lr"] for line in turns for hparams, _ in line]
    assert len(set(seen)) == len(seen)


def test_a_failed_configuration_is_followed_at_once() -> None:
    context = context_of(SPACE, 2, intervals=6)
    run = campaign(RandomSearch(length=3), context, lambda hparams, age, interval: math.nan if interval == 1 else 1.0)
    assert [spent for _, spent in run.turns(0)] == [1, 2, 3]
    assert run.restarts[0].because == "the configuration failed: another one is drawn"
    assert run.stopped is None, "one failed configuration of each member is not the end"


def test_it_gives_up_where_nothing_trains() -> None:
    run = campaign(RandomSearch(length=3), context_of(SPACE, 2, intervals=9), lambda *_: math.nan)
    assert run.stopped == Stop("all 2 members failed; the last at interval 3")


def test_lengths_that_make_no_sense_are_refused() -> None:
    for length in (0, True, 1.5):
        with pytest.raises(ConfigError, match="length must be"):
            RandomSearch(length=length)  # type: ignore[arg-type]
    with pytest.raises(BudgetError, match="pass length=None or intervals=9"):
        RandomSearch(length=9).init(context_of(SPACE, 2, intervals=8))
