"""Random search: the baseline that copies nobody."""

from __future__ import annotations

import math

import msgspec
from populations import context_of, round_of

from poptrain.core.decisions import Continue, Stop
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
