"""Every recipe is a study that can begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptrain.api import tune
from poptrain.cli.run import algorithm_asked, space_asked
from poptrain.cli.settings import read_config
from poptrain.cli.target import code_of, load_target
from poptrain.core.rng import Keys
from poptrain.space import Space
from poptrain.strategies import PBT, Context
from poptrain.tasks.run import make_settings

RECIPES = Path(__file__).parent.parent / "recipes"
ALL = sorted(path.name for path in RECIPES.glob("*.toml"))


def test_every_full_recipe_has_a_small_one() -> None:
    full = {name for name in ALL if "-small" not in name}
    assert len(full) >= 4
    assert {name.replace(".toml", "-small.toml") for name in full} == set(ALL) - full


@pytest.mark.parametrize("name", ALL)
def test_it_names_a_task_with_its_settings(name: str) -> None:
    asked = read_config(RECIPES / name)
    make_settings(asked.target or "", asked.settings)
    assert f"recipes/{name}" in (RECIPES / name).read_text(), "the head says how to run it"


@pytest.mark.parametrize("name", [name for name in ALL if "-small" in name])
def test_it_begins_as_asked(name: str, tmp_path: Path) -> None:
    asked = read_config(RECIPES / name)
    target = load_target(code_of(asked.target or "", asked.settings), tmp_path)
    asked_for = space_asked(asked, target)
    space = asked_for if isinstance(asked_for, Space) else Space(asked_for)
    algorithm = algorithm_asked(asked, target)
    assert isinstance(algorithm, PBT)
    assert set(space) == set(target.space or {}), "the training code needs every hyperparameter"
    assert asked.population is not None
    algorithm.init(Context(Keys(0), space, asked.population, asked.intervals or 1))


@pytest.mark.parametrize("name", [name for name in ALL if "-small" in name])
def test_its_members_train(name: str, tmp_path: Path) -> None:
    asked = read_config(RECIPES / name)
    target = load_target(code_of(asked.target or "", asked.settings), tmp_path)
    assert target.mode == "max"
    study = tune(
        target.train,
        space_asked(asked, target),
        directory=tmp_path,
        metric=target.metric or "",
        population=3,
        intervals=1,
        interval_steps=1,
        executor="inline",
        preflight=False,
    )
    assert len(study.reports()) == 3
    assert not study.failures
