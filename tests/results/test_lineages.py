"""Lineages, against histories in which every state knows what it is made of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import STEPS, History, random_history, write

from poptrain.core.errors import StoreError
from poptrain.core.events import Replaced, Restarted
from poptrain.results import Lineage, Study
from poptrain.results.picture import draw

HISTORIES = st.builds(
    random_history,
    st.integers(0, 10**9),
    population=st.integers(1, 6),
    turns=st.integers(1, 25),
    synchronous=st.booleans(),
)


def lineage_of(history: History) -> Lineage:
    failed = [(r.member, r.interval) for r in history.reports if r.score is None]
    return Lineage(history.population, history.completed, history.copies, failed)


def copy(member: int, interval: int, donor: int, donor_interval: int, *, weights: bool = True) -> Replaced:
    return Replaced(
        member=member,
        interval=interval,
        donor=donor,
        donor_interval=donor_interval,
        weights=weights,
        hparams={},
        because="worse",
    )


@given(HISTORIES)
def test_the_ancestry_is_what_the_state_is_made_of(history: History) -> None:
    lineage = lineage_of(history)
    untrained = {(r.member, r.interval) for r in history.reports if not r.metrics}
    for ref, state in history.states.items():
        walked = [(o.member, i) for o in lineage.ancestry(*ref) for i in range(o.first, o.last + 1)]
        assert [step for step in walked if step not in untrained] == [(m, i) for m, i, _ in state]


@given(HISTORIES)
def test_living_ancestors_are_the_founders_of_the_states_that_members_hold(history: History) -> None:
    lineage = lineage_of(history)
    want = {history.states[ref][0][0] if ref else member for member, ref in enumerate(history.now)}
    assert set(lineage.alive_ancestors()) == want
    assert {lineage.founder(member) for member in range(history.population)} == want


@settings(max_examples=40, deadline=None)
@given(HISTORIES.filter(lambda h: bool(h.states)), st.data())
def test_the_schedule_walks_through_real_ancestors_only(history: History, data: st.DataObject) -> None:
    best = data.draw(st.sampled_from(sorted(history.states)))
    with tempfile.TemporaryDirectory() as folder:
        write(history, Path(folder) / "study", best)
        study = Study.open(Path(folder) / "study")
        schedule = study.schedule
        assert study.best.schedule == schedule
    truth = history.states[best]
    assert schedule.steps == len(truth) * STEPS
    for place, (member, _, hparams) in enumerate(truth):
        span = next(s for s in schedule.spans if s.start_step <= place * STEPS < s.end_step)
        assert (span.member, tuple(sorted(span.hparams.items()))) == (member, hparams)


def test_a_copy_after_an_interval_changes_nothing_before_it() -> None:
    lineage = Lineage(2, [4, 4], [copy(0, 2, 1, 2)])
    assert [(o.member, o.first, o.last) for o in lineage.ancestry(0, 2)] == [(0, 1, 2)]
    assert [(o.member, o.first, o.last) for o in lineage.ancestry(0, 3)] == [(1, 1, 2), (0, 3, 3)]
    assert lineage.copied_into(0, 3) == lineage.copies[0]
    assert lineage.copied_into(0, 4) is None


def test_two_members_that_copy_each_other_in_one_round_cross_over() -> None:
    lineage = Lineage(2, [2, 2], [copy(0, 1, 1, 1), copy(1, 1, 0, 1)])
    assert lineage.ancestry(0, 2)[0].member == 1
    assert lineage.ancestry(1, 2)[0].member == 0
    assert lineage.alive_ancestors() == (0, 1)


def test_a_copy_of_hyperparameters_alone_is_no_ancestry() -> None:
    lineage = Lineage(2, [3, 3], [copy(0, 1, 1, 1, weights=False)])
    assert [o.member for o in lineage.ancestry(0, 3)] == [0]


def test_a_copy_since_the_last_report_counts_for_the_living() -> None:
    assert Lineage(2, [1, 1], [copy(0, 1, 1, 1)]).alive_ancestors() == (1,)


def test_a_forged_circle_is_refused() -> None:
    forged = Lineage(2, [9, 9], [copy(0, 1, 1, 9), copy(1, 1, 0, 9)])
    with pytest.raises(StoreError, match="circle"):
        forged.ancestry(0, 9)
    with pytest.raises(StoreError, match="circle"):
        forged.alive_ancestors()


def restart(member: int, interval: int) -> Restarted:
    return Restarted(member=member, interval=interval, hparams={}, because="stagnation")


def test_a_line_begins_where_its_member_began_anew() -> None:
    lineage = Lineage(2, [6, 6], [copy(0, 1, 1, 1), copy(1, 4, 0, 4)], restarts=[restart(0, 3)])
    assert [(o.member, o.first, o.last) for o in lineage.ancestry(0, 3)] == [(1, 1, 1), (0, 2, 3)]
    assert [(o.member, o.first, o.last) for o in lineage.ancestry(0, 4)] == [(0, 4, 4)]
    assert [(o.member, o.first, o.last) for o in lineage.ancestry(1, 6)] == [(0, 4, 4), (1, 5, 6)]
    assert (lineage.begins(0, 4), lineage.begins(0, 5), lineage.copied_into(0, 4)) == (True, False, None)
    assert lineage.alive_ancestors() == (0,)
    assert lineage.to_json()["restarts"] == [{"member": 0, "interval": 3, "hparams": {}, "because": "stagnation"}]


def test_a_restart_since_the_last_report_counts_for_the_living() -> None:
    assert Lineage(2, [2, 2], [copy(0, 1, 1, 1)], restarts=[restart(0, 2)]).alive_ancestors() == (0, 1)


def test_a_member_that_went_back_has_its_own_past() -> None:
    lineage = Lineage(1, [6], [copy(0, 5, 0, 2)])
    assert [(o.member, o.first, o.last) for o in lineage.ancestry(0, 6)] == [(0, 1, 2), (0, 6, 6)]


def test_the_picture_shows_where_a_member_began_anew() -> None:
    drawn = draw(Lineage(1, [4], [], restarts=[restart(0, 2)]), (0, 4), width=60)
    assert "○" in drawn.splitlines()[1]
    assert "began anew" in drawn
    assert "began anew" not in draw(Lineage(1, [4], []), (0, 4), width=60)
