"""Every baseline runs as a study: on the same budget, wherever members train, and through a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from studies import history, run

import poptrain as pt
from poptrain.baselines import ASHA, BayesianSearch, GridSearch, Manual, RandomSearch, SuccessiveHalving
from poptrain.strategies import Algorithm

BASELINES: dict[str, Algorithm[Any]] = {
    "grid": GridSearch(points=2),
    "grid in turns": GridSearch(points=3, length=2),
    "random in turns": RandomSearch(length=2),
    "manual": Manual(configurations=({"pace": 0.5, "noise": 0.1},)),
    "bayesian": BayesianSearch(length=1, warm_up=3),
    "halving": SuccessiveHalving(eta=2),
    "asha": ASHA(eta=2),
}


def study(directory: Path, name: str, **options: Any) -> pt.Study:
    if name == "bayesian":
        pytest.importorskip("optuna")
    return run(directory, algorithm=BASELINES[name], intervals=4, **options)


@pytest.mark.parametrize("name", BASELINES)
def test_executors_agree(name: str, tmp_path: Path) -> None:
    want = study(tmp_path / "inline", name, executor="inline")
    found = study(tmp_path / "processes", name, executor="processes", workers=2)
    assert found.digest() == want.digest()
    assert history(tmp_path / "processes") == history(tmp_path / "inline")
    assert want.copies == 0
    assert want.steps == want.config.population * 4 * want.config.interval_steps


@pytest.mark.parametrize("name", BASELINES)
def test_a_study_that_stopped_goes_on_to_the_same_result(name: str, tmp_path: Path) -> None:
    want = study(tmp_path / "whole", name, executor="inline").digest()
    study(tmp_path / "study", name, executor="inline", max_seconds=1e-6)
    assert study(tmp_path / "study", name, executor="inline", max_seconds=1e6).digest() == want
