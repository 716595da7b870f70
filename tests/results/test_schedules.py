"""Schedules: spans, steps, formats, pictures."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptrain.core.errors import ConfigError
from poptrain.results import Schedule, Span

SPANS = [
    Span(0, 10, {"lr": 0.1, "act": "relu", "clip": None}, 3),
    Span(10, 30, {"lr": 0.01, "act": "relu", "clip": True}, 3),
    Span(30, 40, {"lr": 0.001, "act": "gelu", "clip": True}, 1),
]


def test_a_step_has_the_hyperparameters_of_its_span() -> None:
    schedule = Schedule(SPANS)
    assert [schedule.at(step)["lr"] for step in (0, 9, 10, 29, 30, 39, 1_000_000)] == [
        0.1,
        0.1,
        0.01,
        0.01,
        0.001,
        0.001,
        0.001,
    ]
    assert (schedule.steps, schedule.names) == (40, ("lr", "act", "clip"))


def test_equal_neighbours_become_one_but_other_members_stay_apart() -> None:
    same = {"lr": 0.1}
    merged = Schedule([Span(0, 5, same, 0), Span(5, 9, dict(same), 0), Span(9, 10, same, 1)])
    assert merged.spans == (Span(0, 9, same, 0), Span(9, 10, same, 1))
    assert merged == Schedule([Span(0, 9, same, 0), Span(9, 10, same, 1)])
    assert merged != Schedule([Span(0, 10, same, 0)])


@pytest.mark.parametrize("step", [-1, -100])
def test_there_is_no_step_before_the_first(step: int) -> None:
    with pytest.raises(ConfigError, match="from 0 on"):
        Schedule(SPANS).at(step)


def test_an_empty_schedule_has_no_steps() -> None:
    empty = Schedule([])
    assert (empty.steps, empty.names, empty.render()) == (0, (), "no schedule yet: nothing has been trained")
    with pytest.raises(ConfigError, match="not empty"):
        empty.at(0)


@pytest.mark.parametrize(
    "spans",
    [
        [Span(1, 2, {"lr": 1.0}, 0)],
        [Span(0, 0, {"lr": 1.0}, 0)],
        [Span(0, 2, {"lr": 1.0}, 0), Span(3, 4, {"lr": 1.0}, 0)],
        [Span(0, 2, {"lr": 1.0}, 0), Span(1, 4, {"lr": 1.0}, 0)],
        [Span(0, 2, {"lr": 1.0}, 0), Span(2, 4, {"rate": 1.0}, 0)],
    ],
    ids=["late", "empty", "gap", "overlap", "names"],
)
def test_spans_that_are_no_schedule_are_refused(spans: list[Span]) -> None:
    with pytest.raises(ConfigError, match="span"):
        Schedule(spans)


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.none(), st.text(max_size=5)
)


@given(st.lists(st.tuples(st.integers(1, 50), VALUES, st.integers(0, 3)), min_size=1, max_size=12))
def test_json_keeps_everything(pieces: list[tuple[int, object, int]]) -> None:
    spans, start = [], 0
    for length, value, member in pieces:
        spans.append(Span(start, start + length, {"h": value}, member))  # type: ignore[dict-item]
        start += length
    schedule = Schedule(spans)
    again = Schedule.from_json(json.loads(json.dumps(schedule.to_json())))
    assert again == schedule
    assert again.to_json() == schedule.to_json()


@pytest.mark.parametrize(
    "data", [{}, {"spans": []}, {"format": "poptrain schedule 9", "spans": []}, {"format": "poptrain schedule 1", "spans": [1]}]
)
def test_other_json_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        Schedule.from_json(data)


def test_csv_has_a_line_for_each_span() -> None:
    rows = list(csv.DictReader(io.StringIO(Schedule(SPANS).to_csv())))
    assert [row["start_step"] for row in rows] == ["0", "10", "30"]
    assert rows[0] == {"start_step": "0", "end_step": "10", "member": "3", "lr": "0.1", "act": "relu", "clip": ""}
    assert rows[2]["clip"] == "true"


def test_the_picture_shows_shape_axis_and_letters() -> None:
    linear = Schedule(SPANS).render(width=4).splitlines()
    log = Schedule(SPANS).render(["lr"], width=4).splitlines()
    assert linear[0].split() == ["lr", "0.1", "->", "0.001", "█▁▁▁", "0.001", "to", "0.1"]
    assert log[0].split()[4] == "█▅▅▁"
    assert log[0].endswith("log axis")
    assert linear[1].split()[-3:] == ["AAAB", "A=relu", "B=gelu"]


def test_a_constant_has_a_value_and_no_picture() -> None:
    schedule = Schedule([Span(0, 9, {"lr": 0.0, "act": "relu"}, 0)])
    assert schedule.render(["lr"]) == "lr      0 throughout\nact  relu throughout"
    course = schedule.courses(["lr"], width=3)[0]
    assert (course.line, course.key) == ("▄▄▄", "")


def test_a_short_span_counts_in_the_range_even_where_no_bar_shows_it() -> None:
    spans = [Span(0, 1000, {"lr": 1.0}, 0), Span(1000, 1001, {"lr": 9.0}, 0), Span(1001, 2000, {"lr": 1.0}, 0)]
    course = Schedule(spans).courses(width=4)[0]
    assert course.key == "1 to 9"
    assert course.line == "▁▁▁▁"
