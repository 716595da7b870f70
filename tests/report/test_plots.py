"""The plots say what the study says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crowds import crowd
from journals import StudyWriter, random_history, small_study, write

import poptrain as pt
from poptrain.core.errors import MissingExtra
from poptrain.core.events import HeldOut, Restarted, Resumed, Started
from poptrain.report import PLOTS
from poptrain.results import Study
from poptrain.store.checkpoints import Ref

NASTY = "<img src=x onerror=alert(1)>"


def traces(figure: Any, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def only(figure: Any, name: str) -> Any:
    (found,) = traces(figure, name)
    return found


@pytest.fixture
def small(tmp_path: Path) -> Study:
    return Study.open(small_study(tmp_path / "small", began=1.0, ended=3.0, evaluate_seconds=0.5))


@pytest.fixture
def eventful(tmp_path: Path) -> Study:
    """A study of everything that can happen, with a choice without an order."""
    space = {
        "lr": pt.Float(1e-4, 1.0, log=True),
        "act": pt.Choice([NASTY, "relu"]),
        "depth": pt.Choice([1, 2, 4], ordered=True),
    }
    changes: dict[str, Any] = {"space": pt.Space(space).to_json(), "metric": NASTY, "mode": "min"}
    writer = StudyWriter(tmp_path / "eventful", population=3, intervals=3, **changes)
    writer.add(*(Started(member=m, hparams={"lr": 0.1, "act": "relu", "depth": 2}) for m in range(3)))
    for i in range(1, 4):
        for m in range(3):
            act = NASTY if m == 1 else "relu"
            score = None if (m, i) == (0, 2) else 3.0 - i + m
            metrics: dict[str, float | None] = {NASTY: score}
            times: dict[str, Any] = {"began": 10.0 * i + m, "ended": 10.0 * i + m + 1}
            writer.report(m, i, score, {"lr": 0.1 / i, "act": act, "depth": 2**m}, metrics=metrics, **times)
        writer.add(Restarted(member=2, interval=i, hparams={"lr": 0.1, "act": "relu", "depth": 1}, because=NASTY))
    writer.add(Resumed(), at=25.0)
    writer.add(HeldOut(member=0, interval=3, metrics={NASTY: 0.7}))
    writer.best = (Ref(0, 3), {"lr": 0.1 / 3, "act": "relu", "depth": 1})
    writer.finish()
    return Study.open(tmp_path / "eventful")


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_of_every_study_can_be_drawn(name: str, small: Study, eventful: Study, tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "empty")
    writer.close()
    for study in (small, eventful, Study.open(tmp_path / "empty")):
        figure = PLOTS[name](study)
        assert figure.layout.title.text
        assert figure.layout.meta["note"]
        assert "<img" not in figure.to_json().replace("\\u003c", "<")


@pytest.mark.parametrize("synchronous", [True, False])
def test_the_winning_line_is_the_ancestry(synchronous: bool, tmp_path: Path) -> None:
    history = random_history(5, population=6, turns=8 if synchronous else 60, synchronous=synchronous)
    best = max((r for r in history.reports if r.score is not None), key=lambda r: r.score or 0.0)
    write(history, tmp_path, (best.member, best.interval))
    study = Study.open(tmp_path)
    path = [(o.member, i) for o in study.lineage.ancestry(best.member, best.interval) for i in range(o.first, o.last + 1)]
    drawn = only(PLOTS["lineage"](study), "led to the best checkpoint")
    assert list(zip(drawn.y, drawn.x, strict=True)) == path
    course = only(PLOTS["scores"](study), "line of the best checkpoint")
    assert list(course.x) == list(range(1, len(path) + 1))
    np.testing.assert_array_equal(course.y, [study.record.scores[m, i - 1] for m, i in path])


def test_a_point_says_where_its_weights_came_from_and_what_explore_changed(small: Study) -> None:
    (points,) = (trace for trace in PLOTS["lineage"](small).data if trace.name == "score")
    said = dict(zip(zip(points.y, points.x, strict=True), points.hovertext, strict=True))
    assert "copied weights of m2, interval 1" in said[0, 2]
    assert "explore: lr 0.3 → 0.36" in said[0, 2]
    assert "copied" not in said[1, 2]
    assert len(said) == 6


def test_a_held_out_score_is_drawn_in_its_own_metric_only_and_named(eventful: Study, small: Study) -> None:
    (mark,) = (t for t in PLOTS["scores"](eventful).data if t.name.startswith("held-out score"))
    assert (list(mark.x), list(mark.y)) == ([3], [0.7])
    assert not [t for t in PLOTS["scores"](small).data if "held-out" in t.name]


def test_lower_is_better_where_it_is(eventful: Study) -> None:
    figure = PLOTS["scores"](eventful)
    assert list(only(figure, "best").y) == [2.0, 2.0, 0.0]
    assert list(only(figure, "worst").y) == [4.0, 3.0, 2.0]


def test_schedules_have_logarithmic_axes_and_names_of_choices(eventful: Study) -> None:
    figure = PLOTS["schedule"](eventful)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis2.ticktext == ("&lt;img src=x onerror=…", "relu")
    course = traces(figure, "winning schedule")[0]
    assert [y for y in course.y if y is not None] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.1 / 3, 0.1 / 3])


def test_utilisation_shows_what_is_recorded_and_no_pause(eventful: Study, small: Study) -> None:
    figure = PLOTS["utilisation"](eventful)
    assert list(only(figure, "wait").x) == [7.0]  # from 13 to 20; the study was resumed at 25, so 23 to 30 is a pause
    assert sum(only(figure, "train").x) == pytest.approx(8.0)
    assert sum(only(figure, "failed").x) == pytest.approx(1.0)
    assert list(only(PLOTS["utilisation"](small), "evaluate").x) == [0.5]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    study = Study.open(crowd(tmp_path, members=260, intervals=60))
    assert "200 of 260 members are drawn" in PLOTS["scores"](study).layout.meta["note"]
    lineage = PLOTS["lineage"](study)
    assert "200 of 260 members are drawn" in lineage.layout.meta["note"]
    assert "of 60 intervals" in lineage.layout.meta["note"]
    assert sum(len(trace.x) for trace in lineage.data) < 20_000
    best = only(lineage, "best checkpoint")
    assert list(best.x) == [study.best.interval]


def test_notebooks_have_the_same_plots(small: Study) -> None:
    assert {name for name in dir(small.plot) if not name.startswith("_")} == set(PLOTS)
    for name, plot in PLOTS.items():
        assert json.loads(getattr(small.plot, name)().to_json())["data"] == json.loads(plot(small).to_json())["data"]


def test_a_plot_without_plotly_says_what_is_missing(small: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtra, match=r"poptrain\[report\]"):
        small.plot.lineage()


def test_a_notebook_shows_a_summary_in_which_names_are_text(eventful: Study) -> None:
    shown = eventful._repr_html_()
    assert "<img" not in shown
    assert "&lt;img" in shown
    assert "held-out score" in shown


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_of_a_notebook_stands_alone_with_its_whole_note(name: str, tmp_path: Path) -> None:
    study = Study.open(small_study(tmp_path / "s"))
    inside, alone = PLOTS[name](study), getattr(study.plot, name)()
    assert alone.layout.paper_bgcolor == alone.layout.plot_bgcolor == "white"
    assert alone.layout.title.subtitle.text.replace("<br>", " ") == inside.layout.meta["note"].strip()
    assert alone.layout.height > inside.layout.height
    assert max(map(len, alone.layout.title.subtitle.text.split("<br>"))) <= 150
