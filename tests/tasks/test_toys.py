"""The toys as training code: their state is complete, and each is a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from populations import context_of

from poptrain.space import Space
from poptrain.tasks import toy, toy_deceptive, toy_plain
from poptrain.tasks.base import TASKS, load_task

KINDS: list[tuple[Any, Any]] = [
    (toy.FigureTwo, toy.SPACE),
    (toy_plain.Plain, toy_plain.SPACE),
    (toy_deceptive.Deceptive, toy_plain.SPACE),
]


@pytest.mark.parametrize(("kind", "space"), KINDS)
@pytest.mark.parametrize("before", [0, 7, 20, 31])
def test_a_loaded_copy_goes_on_as_the_original(kind: Any, space: Any, before: int) -> None:
    rng = np.random.default_rng(0)
    one, other = kind(), kind()
    one.configure(Space(space).sample(rng))
    one.step(before)
    other.configure(Space(space).sample(rng))
    other.step(13)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    hparams = Space(space).sample(rng)
    for member in (one, other):
        member.configure(hparams)
        member.step(25)
    assert one.evaluate() == other.evaluate()
    assert one.state_dict() == other.state_dict()
    assert one.effective() == hparams


@pytest.mark.parametrize(("kind", "space"), KINDS)
def test_a_state_is_not_shared(kind: Any, space: Any) -> None:
    one, other = kind(), kind()
    one.configure(Space(space).sample(np.random.default_rng(0)))
    one.step(20)
    state = one.state_dict()
    saved = json.dumps(state)
    other.load_state_dict(state)
    one.step(20)
    other.configure(Space(space).sample(np.random.default_rng(1)))
    other.step(20)
    assert json.dumps(state) == saved


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("toy")])
def test_each_toy_is_a_task_whose_algorithm_fits(name: str, tmp_path: Path) -> None:
    task = load_task(name)
    study = task.make_study(task.Settings(), tmp_path)
    assert task.SUMMARY
    _, starts = study.algorithm.init(context_of(study.space, study.population, intervals=study.intervals))
    assert len(starts) == study.population
    assert len({tuple(start.values()) for start in starts}) == study.population
