"""What is exported is what the journal holds, as the other tools read it."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import StudyWriter
from studies import climb, run

import poptrain as pt
from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.integrations import TARGETS, Follower, export, follow
from poptrain.integrations.tables import safe_cell


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> pt.Study:
    return run(tmp_path_factory.mktemp("exported") / "study", climb, intervals=3)


def curves(study: pt.Study) -> dict[int, list[tuple[int, float]]]:
    """Return (steps, score) of every interval of each member."""
    width = study.config.interval_steps
    return {m: [(r.interval * width, r.score or 0.0) for r in study.reports(m)] for m in range(study.config.population)}


def test_csv(study: pt.Study, tmp_path: Path) -> None:
    rows = list(csv.DictReader(export(study, "csv", tmp_path / "s.csv").read_text().splitlines()))
    assert len(rows) == len(study.reports())
    for row, report in zip(rows, study.reports(), strict=True):
        assert (int(row["member"]), int(row["interval"]), float(row["selection_score"])) == (
            report.member,
            report.interval,
            report.score,
        )
        assert float(row["hparam.pace"]) == report.hparams["pace"]


def test_parquet(study: pt.Study, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.read_parquet(export(study, "parquet", tmp_path / "s.parquet"))
    assert frame.equals(study.to_pandas())


def test_tensorboard(study: pt.Study, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    where = export(study, "tensorboard", tmp_path / "tb")
    for member, points in curves(study).items():
        events = EventAccumulator(str(where / f"m{member}"))
        events.Reload()
        found = [(e.step, e.value) for e in events.Scalars("selection_score")]
        assert [step for step, _ in found] == [step for step, _ in points]
        assert [value for _, value in found] == pytest.approx([score for _, score in points])
        assert [e.value for e in events.Scalars("hparam/pace")] == pytest.approx(
            [r.hparams["pace"] for r in study.reports(member)]
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow(study: pt.Study, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    where = export(study, "mlflow", tmp_path / "mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{where}")
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    children = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert (len(parents), len(children)) == (1, study.config.population)
    assert parents[0].data.metrics["best_selection_score"] == study.best.score
    for child in children:
        assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        member = int(str(child.info.run_name)[1:])
        history = client.get_metric_history(child.info.run_id, "selection_score")
        assert [(h.step, h.value) for h in history] == curves(study)[member]


def test_wandb(study: pt.Study, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    where = export(study, "wandb", tmp_path / "wandb")
    runs = list(where.glob("wandb/offline-run-*/*.wandb"))
    assert len(runs) == study.config.population
    assert all(b"hparam/pace" in path.read_bytes() for path in runs)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna(study: pt.Study, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    where = export(study, "optuna", tmp_path / "o.log")
    backend = optuna.storages.journal.JournalFileBackend(str(where))
    found = optuna.load_study(study_name=study.name, storage=optuna.storages.JournalStorage(backend))
    assert found.best_value == study.best.score
    assert len(found.trials) == len(study.reports())
    assert {(t.user_attrs["member"], t.user_attrs["interval"]) for t in found.trials} == {
        (r.member, r.interval) for r in study.reports()
    }


def test_failed_intervals_are_exported_as_failed(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=1, intervals=2)
    writer.report(0, 1, None, {"lr": 0.1, "dropout": 0.0}, metrics={"score": None})
    writer.report(0, 2, 1.0, {"lr": 0.1, "dropout": 0.0})
    writer.finish()
    study = pt.Study.open(tmp_path / "study")
    rows = list(csv.DictReader(export(study, "csv").read_text().splitlines()))
    assert [row["selection_score"] for row in rows] == ["", "1.0"]
    optuna = pytest.importorskip("optuna")
    backend = optuna.storages.journal.JournalFileBackend(str(export(study, "optuna")))
    trials = optuna.load_study(study_name=study.name, storage=optuna.storages.JournalStorage(backend)).trials
    assert [t.state.name for t in trials] == ["FAIL", "COMPLETE"]


def test_texts_that_a_spreadsheet_would_run_are_defused() -> None:
    assert [safe_cell(v) for v in ("=cmd()", "+1", "@x", "-x", "adam", -1.5, None)] == [
        "'=cmd()",
        "'+1",
        "'@x",
        "'-x",
        "adam",
        -1.5,
        None,
    ]


def test_nothing_is_overwritten(study: pt.Study, tmp_path: Path) -> None:
    export(study, "csv", tmp_path / "s.csv")
    with pytest.raises(ConfigError, match="is there already"):
        export(study, "csv", tmp_path / "s.csv")
    with pytest.raises(ConfigError, match=", ".join(TARGETS)):
        export(study, "excel", tmp_path / "s.xls")
    assert math.isfinite((tmp_path / "s.csv").stat().st_size)


# While a study runs.


def scalars(where: Path, member: int) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(where / f"m{member}"))
    events.Reload()
    return sorted((e.step, round(e.value, 4)) for e in events.Scalars("selection_score"))  # files of one second have no order


def rounded(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(step, round(float(np.float32(value)), 4)) for step, value in points]


def test_a_study_is_written_bit_by_bit_and_gone_on_with(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    follower = Follower(tmp_path / "study", "tensorboard")
    assert follower.look() == 0, "there is no study yet"
    for intervals in (1, 2):
        found = run(tmp_path / "study", climb, intervals=intervals)
        assert follower.look() == found.config.population
        assert follower.look() == 0
        assert scalars(follower.where, 0) == rounded(curves(found)[0])
    follower.finish()
    found = run(tmp_path / "study", climb, intervals=5)
    again = Follower(tmp_path / "study", "tensorboard")
    again.finish()
    for member, points in curves(found).items():
        assert scalars(again.where, member) == rounded(points)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_runs_of_mlflow_are_found_again(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    for intervals in (2, 4):
        with follow(tmp_path / "study", "mlflow", every=0.05) as follower:
            study = run(tmp_path / "study", climb, intervals=intervals)
    client = MlflowClient(tracking_uri=f"sqlite:///{follower.where}")
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 + study.config.population
    assert {one.info.status for one in runs} == {"FINISHED"}
    for child in runs:
        if "mlflow.parentRunId" in child.data.tags:
            history = client.get_metric_history(child.info.run_id, "selection_score")
            assert [(h.step, h.value) for h in history] == curves(study)[int(str(child.info.run_name)[1:])]


def test_runs_of_wandb_keep_their_numbers(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    numbers = []
    for intervals in (2, 3):
        with follow(tmp_path / "study", "wandb", every=0.05) as follower:
            run(tmp_path / "study", climb, intervals=intervals, population=3)
        numbers.append({path.stem for path in follower.where.glob("wandb/offline-run-*/*.wandb")})
    assert len(numbers[0]) == 3
    assert numbers[0] == numbers[1]


def test_a_tool_that_fails_does_not_stop_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    pytest.importorskip("tensorboard")

    def fails(*_: Any) -> Any:
        raise OSError("no space for events")

    monkeypatch.setattr("poptrain.integrations.to_tensorboard.Events.add", fails)
    with follow(tmp_path / "study", "tensorboard", every=0.01):
        study = run(tmp_path / "study", climb, intervals=3)
    assert study.status == "finished"
    assert "the study is not written for others any more" in caplog.text
    assert "no space for events" in caplog.text


def test_what_cannot_be_followed_is_refused(study: pt.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="tensorboard, mlflow, wandb, got 'csv'"):
        Follower(study.directory, "csv")
    (tmp_path / "tb").mkdir()
    with pytest.raises(ConfigError, match="is there already, from an export"):
        Follower(study.directory, "tensorboard", tmp_path / "tb")
    monkeypatch.setattr("poptrain.integrations.following.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="wandb"):
        Follower(study.directory, "wandb")
