"""Methods side by side: the same budget, the same seeds, and sentences that claim no more than the data."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from journals import StudyWriter, small_study
from studies import SPACE, climb

import poptrain as pt
from poptrain.baselines import ASHA, GridSearch
from poptrain.comparison import Campaign, Comparison, Outcome, compare
from poptrain.comparison.methods import METHODS, Setting, algorithms_of, as_configuration
from poptrain.comparison.outcomes import Curve, outcome_of
from poptrain.comparison.table import head, text_rows, to_csv
from poptrain.comparison.warnings import warnings_of
from poptrain.core.errors import ConfigError, SpaceError, StudyMismatch
from poptrain.core.rng import Keys
from poptrain.space import Choice, Float, Int, Space
from poptrain.strategies import Context
from poptrain.tasks.run import task_study

WIDE = Space({"lr": Float(1e-4, 1.0, log=True), "layers": Int(1, 8), "kind": Choice(["a", "b", "c"])})


def outcome(method: str, seed: int, score: float | None, *, held_out: float | None = None, **more: Any) -> Outcome:
    curve = Curve((10, 20), (1.0, 2.0), (score / 2, score)) if score is not None else Curve((), (), ())
    held = {} if held_out is None else {"height": held_out}
    return replace(Outcome(method, seed, True, score, held, 20, 2.0, curve), **more)


def comparison(*outcomes: Outcome, **more: Any) -> Comparison:
    labels = {o.method: o.method.upper() for o in outcomes}
    options: dict[str, Any] = {"title": "climb", "metric": "height", "mode": "max", "baseline": outcomes[-1].method}
    return Comparison(outcomes=outcomes, labels=labels, **{**options, **more})


# Sentences.


def test_a_sentence_says_who_was_ahead_in_how_many_seeds_and_by_how_much() -> None:
    mine = [outcome("a", seed, 2.0 + seed) for seed in range(5)]
    other = [outcome("b", seed, 1.0 + seed if seed else 3.0) for seed in range(5)]
    found = comparison(*mine, *other)
    assert found.sentences == (
        "A ahead of B in 4 of 5 seeds, difference 0.6 height (selection) [-0.2, 1], p = 0.38 "
        "(so few seeds cannot give less than 0.062)",
    )


def test_held_out_scores_decide_where_there_are_any() -> None:
    # a is better at selection and worse on held-out data
    mine = [outcome("a", seed, 9.0, held_out=1.0) for seed in range(3)]
    other = [outcome("b", seed, 5.0, held_out=4.0) for seed in range(3)]
    found = comparison(*mine, *other)
    assert found.judged_by == "held-out"
    assert found.sentences[0].startswith("A behind B in 3 of 3 seeds, difference -3 height (held-out) [-3, -3]")
    assert [row.selection.mean for row in found.rows if row.selection] == [9.0, 5.0]
    assert [row.held_out.mean for row in found.rows if row.held_out] == [1.0, 4.0]


def test_one_missing_held_out_score_makes_the_selection_score_decide_for_all() -> None:
    found = comparison(outcome("a", 0, 9.0, held_out=1.0), outcome("b", 0, 5.0))
    assert found.judged_by == "selection"


def test_lower_scores_can_be_better() -> None:
    found = comparison(outcome("a", 0, 1.0), outcome("b", 0, 3.0), mode="min")
    assert found.sentences == (
        "A ahead of B in 1 of 1 seed, difference 2 height (selection), one seed says nothing about another",
    )


def test_only_seeds_that_both_have_are_compared() -> None:
    found = comparison(*[outcome("a", s, 2.0) for s in (0, 1, 2)], outcome("b", 1, 1.0), outcome("b", 2, None))
    lead = found.against("a", "b")
    assert lead is not None
    assert lead.pairs == 1
    assert [row.failed for row in found.rows] == [0, 1]


def test_unfinished_studies_do_not_count() -> None:
    found = comparison(outcome("a", 0, 2.0), outcome("a", 1, 99.0, finished=False), outcome("b", 0, 1.0))
    assert found.rows[0].seeds == 1
    assert found.rows[0].selection is not None
    assert found.rows[0].selection.mean == 2.0


def test_equal_scores_are_no_lead() -> None:
    found = comparison(*[outcome(m, s, 1.0) for m in "ab" for s in range(3)])
    assert found.sentences == ("A and B come to the same mean in 3 seeds",)


# How soon.


def test_the_reference_is_the_median_of_the_baseline() -> None:
    mine = [outcome("a", seed, score) for seed, score in enumerate((8.0, 4.0, 1.0))]
    other = [outcome("b", seed, 4.0) for seed in range(3)]
    row = comparison(*mine, *other).rows[0]
    assert row.reach is not None
    # 8 passes 4 with its first point, 4 with its second, 1 never does
    assert (row.reach.seeds, row.reach.steps, row.reach.seconds) == (2, 20, 2.0)


def test_a_method_that_seldom_reaches_the_reference_has_no_time_for_it() -> None:
    mine = [outcome("a", seed, score) for seed, score in enumerate((8.0, 1.0, 1.0))]
    row = comparison(*mine, outcome("b", 0, 4.0)).rows[0]
    assert row.reach is not None
    assert (row.reach.seeds, row.reach.steps) == (1, None)


def test_curves_are_compared_at_equal_budgets() -> None:
    curve = Curve((10, 30), (1.0, 3.0), (0.5, 0.7))
    assert math.isnan(curve.at(9))
    assert [curve.at(10), curve.at(29), curve.at(30)] == [0.5, 0.5, 0.7]
    bands = comparison(outcome("a", 0, 2.0), outcome("a", 1, 4.0), outcome("b", 0, 1.0)).bands()
    assert (bands[0].mean[0], bands[0].mean[-1], bands[0].low[-1], bands[0].high[-1]) == (1.5, 3.0, 2.0, 4.0)


# From journals.


def test_pauses_are_not_counted_as_training(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=2, intervals=2)
    times = [(0, 1, 1.0, 100.0, 104.0), (1, 1, 3.0, 102.0, 105.0), (0, 2, 2.0, 1000.0, 1001.0), (1, 2, 4.0, 1000.5, 1002.0)]
    for member, interval, score, began, ended in times:
        writer.report(member, interval, score, {"lr": 0.1}, began=began, ended=ended)
    writer.finish()
    found = outcome_of(pt.Study.open(tmp_path / "study"), method="x")
    assert found.seconds == 7.0
    assert found.curve.scores == (1.0, 3.0, 4.0)
    assert found.curve.seconds == (4.0, 5.0, 7.0)


def test_what_a_real_study_came_to(tmp_path: Path) -> None:
    study = pt.Study.open(small_study(tmp_path / "study"))
    found = outcome_of(study, method="x")
    assert found.selection == study.best.score
    assert found.steps == study.steps
    assert found.curve.scores[-1] == study.best.score
    assert list(found.curve.scores) == sorted(set(found.curve.scores))


# Methods.


@pytest.mark.parametrize("name", METHODS)
def test_every_method_fits_usual_studies(name: str) -> None:
    setting = Setting(space=WIDE, population=8, intervals=12, manual=[{"lr": 0.1, "layers": 2, "kind": "a"}])
    algorithm = METHODS[name].make(setting)
    _, starts = algorithm.init(Context(Keys(0), WIDE, 8, 12))
    assert len(starts) == 8
    for start in starts:
        WIDE.validate(start)


@pytest.mark.parametrize(("population", "size"), [(1, 1), (3, 3), (8, 8), (24, 24), (100, 90)])
def test_every_configuration_of_the_grid_has_a_member_of_its_own(population: int, size: int) -> None:
    grid = algorithms_of(["grid", "random"], Setting(space=WIDE, population=population, intervals=1))["grid"]
    assert isinstance(grid, GridSearch)
    assert grid.size(WIDE) == size
    assert size <= population


def test_a_single_value_of_a_grid_is_in_the_middle() -> None:
    grid = algorithms_of(["grid", "random"], Setting(space=WIDE, population=2, intervals=1))["grid"]
    assert isinstance(grid, GridSearch)
    assert grid.axes(WIDE)["layers"] == (WIDE["layers"].from_unit(0.5),)
    assert grid.axes(WIDE)["lr"] == (WIDE["lr"].from_unit(1 / 3), WIDE["lr"].from_unit(2 / 3))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["pbt", "randem"], "did you mean 'random'"),
        (["pbt"], "at least two"),
        (["pbt", "pbt"], "each once"),
        (["manual", "pbt"], "by hand"),
    ],
)
def test_methods_that_make_no_comparison(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        algorithms_of(names, Setting(space=WIDE, population=8, intervals=12))


def test_a_configuration_by_hand() -> None:
    assert as_configuration("lr=1e-2, layers=3,kind=b", WIDE) == {"lr": 0.01, "layers": 3, "kind": "b"}
    for text, message in (
        ("lr=1e-2", "missing"),
        ("lr", "NAME=VALUE"),
        ("lr=2,layers=3,kind=b", "lr"),
        ("rl=2", "no hyperparameter 'rl'"),
    ):
        with pytest.raises((ConfigError, SpaceError), match=message):
            as_configuration(text, WIDE)


# As a whole.

OPTIONS: dict[str, Any] = {
    "metric": "height",
    "population": 6,
    "intervals": 4,
    "interval_steps": 3,
    "executor": "inline",
}


def methods() -> dict[str, Any]:
    return {"pbt": pt.PBT(exploit=pt.exploit.truncation(0.34)), "random": pt.RandomSearch(), "asha": ASHA()}


def test_every_method_gets_the_same_budget_and_the_same_seeds(tmp_path: Path) -> None:
    found = compare(climb, SPACE, methods=methods(), seeds=2, directory=tmp_path / "c", **OPTIONS)
    assert {o.steps for o in found.outcomes} == {6 * 4 * 3}
    assert sorted((o.method, o.seed) for o in found.outcomes) == [(m, s) for m in ("asha", "pbt", "random") for s in (0, 1)]
    campaign = Campaign(tmp_path / "c")
    starts = [campaign.studies(m)[1].reports(member=0)[0].hparams for m in ("pbt", "random")]
    assert starts[0] == starts[1]
    assert head(found)[0] == "method"
    assert [len(row) for row in text_rows(found)] == [len(head(found))] * 3
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert len(rows) == 6
    assert float(rows[0]["best_selection_score"]) == found.outcomes[0].selection


def test_more_seeds_and_methods_train_only_what_is_new(tmp_path: Path) -> None:
    begun: list[str] = []

    def note(job: Any) -> dict[str, Any]:
        begun.append(job.directory.name)
        return {}

    two = {name: methods()[name] for name in ("pbt", "random")}
    options = {**OPTIONS, "directory": tmp_path / "c", "on_study": note, "replay": 2}
    compare(climb, SPACE, methods=two, seeds=1, **options)
    assert begun == ["pbt-0", "random-0", "replay-of-pbt-0"]
    begun.clear()
    found = compare(climb, SPACE, methods=methods(), seeds=2, **options)
    assert set(begun) - {"replay-of-pbt-1"} == {"asha-0", "pbt-1", "random-1", "asha-1"}
    assert [row.seeds for row in found.rows] == [2, 2, 2]
    begun.clear()
    compare(climb, SPACE, methods=methods(), seeds=2, **options)
    assert begun == []


def test_the_replay_is_of_the_winning_schedule_on_other_seeds(tmp_path: Path) -> None:
    compare(climb, SPACE, methods=methods(), seeds=2, directory=tmp_path / "c", replay=3, **OPTIONS)
    campaign = Campaign(tmp_path / "c")
    winner, replay = campaign.winner("pbt"), campaign.replay()
    assert winner is not None
    assert replay is not None
    assert replay.config.population == 3
    assert replay.config.seed not in {o.seed for o in campaign.comparison().outcomes}
    for report in replay.reports():
        assert report.hparams == winner.schedule.at((report.interval - 1) * 3)
    assert "replay" not in campaign.comparison().labels


@pytest.mark.parametrize("change", [{"intervals": 5}, {"population": 7}, {"seed": 3}])
def test_a_comparison_on_other_terms_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    two = {name: methods()[name] for name in ("pbt", "random")}
    compare(climb, SPACE, methods=two, seeds=1, directory=tmp_path / "c", replay=0, **OPTIONS)
    with pytest.raises(StudyMismatch, match=next(iter(change))):
        compare(climb, SPACE, methods=two, seeds=1, directory=tmp_path / "c", replay=0, **{**OPTIONS, **change})


def test_a_method_with_other_options_is_refused(tmp_path: Path) -> None:
    compare(climb, SPACE, methods=methods(), seeds=1, directory=tmp_path / "c", replay=0, **OPTIONS)
    with pytest.raises(StudyMismatch, match="'pbt' has other options"):
        compare(climb, SPACE, methods={**methods(), "pbt": pt.PBT()}, seeds=1, directory=tmp_path / "c", replay=0, **OPTIONS)


@pytest.mark.parametrize("task", ["classification", "translation"])
def test_what_a_task_takes_by_hand_lies_in_its_space(task: str, tmp_path: Path) -> None:
    study = task_study(task, {}, tmp_path)
    assert len(study.manual) > 1
    for hparams in study.manual:
        Space(study.space).validate(hparams)


def test_warnings_say_how_many_seeds_they_are_about(tmp_path: Path) -> None:
    two: dict[str, Any] = {"pbt": pt.PBT(exploit=pt.exploit.truncation(0.5), explore=None), "random": pt.RandomSearch()}
    compare(climb, SPACE, methods=two, seeds=2, directory=tmp_path / "c", replay=0, **{**OPTIONS, "intervals": 16})
    found = warnings_of(Campaign(tmp_path / "c"))
    assert {w.method for w in found if w.kind in ("diversity", "greediness")} == {"pbt"}  # nobody copies in random search
    assert all(w.seeds and set(w.seeds) <= {0, 1} and w.remedy for w in found)
