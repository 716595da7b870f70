"""Tree ensembles grow, go on from a file exactly, and refuse tables that make no sense."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poptrain as pt
from poptrain.core.errors import ConfigError, DataError
from poptrain.tasks.run import resume, run_task, task_study
from poptrain.tasks.trees import Settings

pytest.importorskip("xgboost")
pytest.importorskip("lightgbm")
pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd

from poptrain.tasks.trees.tables import prepare
from poptrain.tasks.trees.training import Ensemble

MODELS = ("xgboost", "lightgbm", "forest")
pytestmark = pytest.mark.filterwarnings("ignore:Found .* in params:UserWarning", "ignore::DeprecationWarning:lightgbm")


def middle(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return the middle of the space."""
    space = pt.Space(task_study("trees", {"model": settings.model}, folder).space)
    return {name: space[name].from_unit(0.5) for name in space}


def ensemble(folder: Path, model: str, data: str = "wine") -> Ensemble:
    settings = Settings(model=model, data=data)  # type: ignore[arg-type]
    prepare(settings, folder / "data")
    made = Ensemble(settings=settings, folder=folder / "data")
    made.configure(middle(settings, folder / "space"))
    return made


@pytest.mark.parametrize("data", ["breast-cancer", "wine", "diabetes"])
@pytest.mark.parametrize("model", MODELS)
def test_trees_make_it_better(model: str, data: str, tmp_path: Path) -> None:
    made = ensemble(tmp_path, model, data)
    before = made.evaluate()
    np.random.seed(0)
    made.step(20)
    after = made.evaluate()
    metric = "rmse" if data == "diabetes" else "log_loss"
    assert after[metric] < 0.9 * before[metric]
    if data != "diabetes":
        assert after["accuracy"] > 0.85


@pytest.mark.parametrize("model", MODELS)
def test_what_was_saved_goes_on_exactly(model: str, tmp_path: Path) -> None:
    here, there = ensemble(tmp_path / "a", model), ensemble(tmp_path / "b", model)
    np.random.seed(0)
    here.step(5)
    there.load_state_dict(here.state_dict())
    assert there.evaluate() == here.evaluate()
    for one in (here, there):
        np.random.seed(1)
        one.step(5)
    assert there.evaluate() == here.evaluate()
    assert there._trees.count == here._trees.count


@pytest.mark.parametrize("model", MODELS)
def test_every_hyperparameter_acts(model: str, tmp_path: Path) -> None:
    hparams = middle(Settings(model=model), tmp_path / "space")  # type: ignore[arg-type]
    space = pt.Space(task_study("trees", {"model": model}, tmp_path / "space").space)

    def state(**changes: Any) -> str:
        made = ensemble(tmp_path / "data", model, "breast-cancer")
        made.configure({**hparams, **changes})
        np.random.seed(3)
        made.step(4)
        return str(made._trees.predict(made._table.parts["train"][0]).tolist())

    usual = state()
    for name in space:
        assert state(**{name: space[name].from_unit(0.02)}) != usual, name


def test_depth_may_change_from_interval_to_interval(tmp_path: Path) -> None:
    made = ensemble(tmp_path, "forest")
    hparams = dict(made._hparams)
    for depth in (1, 6):
        made.configure({**hparams, "max_depth": depth, "min_samples_leaf": 1})
        np.random.seed(0)
        made.step(3)
    sizes = [len(tree["feature"]) for tree in made.state_dict()["trees"]]
    assert max(sizes[:3]) <= 3 < min(sizes[3:])


def test_a_forest_predicts_what_scikit_learn_would(tmp_path: Path) -> None:
    from sklearn.ensemble import RandomForestClassifier

    made = ensemble(tmp_path, "forest")
    np.random.seed(0)
    seed = int(np.random.randint(2**31))
    np.random.seed(0)
    made.step(7)
    theirs = RandomForestClassifier(n_estimators=7, random_state=seed, **made._hparams)
    theirs.fit(*made._table.parts["train"])
    x = made._table.parts["validation"][0]
    assert made._trees.predict(x) == pytest.approx(theirs.predict_proba(x))


@pytest.mark.parametrize("model", MODELS)
def test_as_a_study_that_is_interrupted(model: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"population": 4, "intervals": 3, "interval_steps": 3, "executor": "inline"}
    settings = {"model": model, "data": "wine"}
    whole = run_task("trees", settings, directory=tmp_path / "whole", **options)
    run_task("trees", settings, directory=tmp_path / "parts", max_seconds=1e-6, **options)
    parts = resume(tmp_path / "parts", max_seconds=1e6)
    assert parts.digest() == whole.digest()
    assert whole.held_out is not None
    assert set(whole.held_out.metrics) == {"log_loss", "accuracy"}
    assert whole.held_out.notes["trees"] == str(3 * whole.best.interval)


# Tables of one's own.


def frame(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    table["species"] = np.where(table["a"] > 0, "cat", "dog")
    table["weight"] = table["a"] * 2.5 + 0.1
    return table


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_with_text_for_a_target(ending: str, tmp_path: Path) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    table = frame().drop(columns="weight")
    file = tmp_path / f"pets.{ending}"
    table.to_csv(file, index=False) if ending == "csv" else table.to_parquet(file)
    found = prepare(Settings(data=str(file), target="species"), tmp_path / "data")
    assert (found.classes, found.columns) == (2, 3)
    again = prepare(Settings(data=str(file), target="species"), tmp_path / "data")
    assert all(np.array_equal(found.parts[p][0], again.parts[p][0]) for p in found.parts)


def test_fractions_make_it_a_regression(tmp_path: Path) -> None:
    file = tmp_path / "pets.csv"
    frame().drop(columns="species").to_csv(file, index=False)
    assert prepare(Settings(data=str(file), target="weight"), tmp_path / "data").classes == 0
    study = task_study("trees", {"data": str(file), "target": "weight"}, tmp_path / "study")
    assert (study.metric, study.mode) == ("rmse", "min")


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        (lambda t: t, {"target": "species"}, DataError, "column 'name' of .* must hold numbers, it has 'Tom'"),
        (lambda t: t.drop(columns="name"), {"target": "spezies"}, ConfigError, "it has a, b, c"),
        (lambda t: t.drop(columns="name"), {}, ConfigError, "got none"),
        (lambda t: t.drop(columns="name").assign(species="cat"), {"target": "species"}, DataError, "one class only, 'cat'"),
        (lambda t: t[["species"]], {"target": "species"}, DataError, "no column beside"),
        (lambda t: t.drop(columns="name").head(4), {"target": "species"}, DataError, "too few"),
        (
            lambda t: t.drop(columns="name").assign(species=[None, *t["species"][1:]]),
            {"target": "species"},
            DataError,
            "missing in row 2",
        ),
        (
            lambda t: t.drop(columns="name"),
            {"target": "species", "kind": "regression"},
            DataError,
            "choose kind=classification",
        ),
    ],
)
def test_tables_that_make_no_sense(change: Any, settings: Any, error: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "pets.csv"
    change(frame().drop(columns="weight").assign(name="Tom")).to_csv(file, index=False)
    with pytest.raises(error, match=message):
        prepare(Settings(data=str(file), **settings), tmp_path / "data")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "iris"}, "there is no table 'iris'"),
        ({"data": "none.csv", "target": "a"}, "there is no file"),
        ({"data": "wine", "target": "a"}, "leave it out"),
    ],
)
def test_tables_that_are_not_there(settings: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(Settings(**settings), tmp_path / "data")


def test_shares_that_leave_nothing() -> None:
    with pytest.raises(ConfigError, match="leave rows to train on"):
        Settings(validation=0.5, test=0.5)


def test_it_keeps_the_contract_of_training_code(tmp_path: Path) -> None:
    from poptrain.testing import TrainableContract

    settings = Settings(data="wine")
    prepare(settings, tmp_path)

    class Check(TrainableContract):
        train = partial(Ensemble, settings=settings, folder=tmp_path)
        space = task_study("trees", {"data": "wine"}, tmp_path / "study").space
        metric = "log_loss"

    checks = [getattr(Check(), name) for name in dir(Check) if name.startswith("test_")]
    assert len(checks) >= 3
    for check in checks:
        check()
