"""The tasks with a population form train, resume and score on every executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poptrain.core.errors import ConfigError, DataError
from poptrain.results import Study
from poptrain.tasks.run import resume, run_task

pytest.importorskip("torch")
gym = pytest.importorskip("gymnasium")

SMALL: dict[str, dict[str, Any]] = {
    "classification": {"settings": {"width": 16}, "population": 4, "intervals": 3, "interval_steps": 30},
    "policy": {
        "settings": {"width": 16, "episodes": 3, "test_episodes": 3},
        "population": 4,
        "intervals": 2,
        "interval_steps": 4,
    },
}


def run(task: str, directory: Path, executor: str, **options: Any) -> Study:
    options = {**SMALL[task], "seed": 5, "workers": 2, **options}
    return run_task(task, options.pop("settings"), directory=directory, executor=executor, **options)


def held_out(study: Study) -> dict[str, float | None]:
    assert study.held_out is not None
    return study.held_out.metrics


@pytest.mark.parametrize("task", SMALL)
def test_members_are_the_same_together_and_apart(task: str, tmp_path: Path) -> None:
    together, apart = run(task, tmp_path / "together", "vectorised"), run(task, tmp_path / "apart", "inline")
    assert together.status == apart.status == "finished"
    assert [m.hparams for m in together.members()] == [m.hparams for m in apart.members()]
    scores = [[m.score for m in study.members()] for study in (together, apart)]
    assert scores[0] == pytest.approx(scores[1], rel=0.02)
    assert set(held_out(together)) == set(held_out(apart))


@pytest.mark.parametrize("task", SMALL)
def test_a_study_that_ended_early_goes_on(task: str, tmp_path: Path) -> None:
    whole = run(task, tmp_path / "whole", "vectorised", intervals=3)
    run(task, tmp_path / "study", "vectorised", intervals=3, max_seconds=1e-6)
    found = resume(tmp_path / "study", max_seconds=1e6)
    assert found.status == "finished"
    assert found.digest() == whole.digest()


def test_the_classifier_learns(tmp_path: Path) -> None:
    study = run("classification", tmp_path / "study", "vectorised", settings={"width": 32, "model": "cnn"}, interval_steps=200)
    assert (study.best.score or 0) > 0.7
    assert (held_out(study)["accuracy"] or 0) > 0.7


def test_the_policy_learns(tmp_path: Path) -> None:
    study = run("policy", tmp_path / "study", "vectorised", population=8, intervals=4, interval_steps=40)
    assert (study.best.score or 0) > 100  # a policy that moves at random keeps the pole up for about 20 moves


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CartPole-v9", "no environment 'CartPole-v9'"),
        ("Pendulum-v1", "this task learns discrete actions"),
        ("Blackjack-v1", "this task learns from a Box"),
    ],
)
def test_environments_that_do_not_fit_are_refused(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=text):
        run("policy", tmp_path / "study", "inline", settings={"environment": name})


class Broken(gym.Env):  # type: ignore[misc, name-defined]
    """Returns what it is told to after a few moves."""

    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, seen: float = 0.0, reward: float = 0.0) -> None:
        self.seen, self.reward = seen, reward

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action: Any) -> Any:
        return np.full(2, self.seen, dtype=np.float32), self.reward, False, False, {}


@pytest.mark.parametrize(
    ("values", "text"), [({"seen": np.nan}, "observation with NaN"), ({"reward": np.inf}, "reward that is NaN")]
)
def test_environments_that_return_nan_are_named(values: dict[str, float], text: str) -> None:
    from poptrain.tasks.policy.environments import Group

    gym.register("Broken-v0", Broken, kwargs=values, disable_env_checker=True)
    try:
        group = Group("Broken-v0", 2, 2)
        group.reset([1, 2])
        with pytest.raises(DataError, match=f"'Broken-v0' returned an? {text}"):
            group.move(np.zeros((2, 2), dtype=np.int64))
        group.close()
    finally:
        del gym.registry["Broken-v0"]


def test_moves_after_an_end_are_void() -> None:
    from poptrain.tasks.policy.environments import Group

    group = Group("CartPole-v1", 2, 3)
    group.reset([1, 2])
    ended = np.zeros((2, 3), dtype=bool)
    seen = 0
    for _ in range(60):
        moves = group.move(np.zeros((2, 3), dtype=np.int64))
        assert np.array_equal(moves.void, ended)
        ended = moves.terminated | moves.truncated
        seen += int(ended.sum())
    group.close()
    assert seen >= 12  # always to the left ends in about ten moves


def test_advantages_are_those_of_a_plain_loop() -> None:
    import torch

    from poptrain.tasks.policy import Settings
    from poptrain.tasks.policy.training import ActorCritics
    from poptrain.trainable.population import Block

    form = ActorCritics(Block((1, 2)), settings=Settings(width=4, environments=3, horizon=30))
    form.configure({"gamma": np.array([0.9, 0.99]), "gae_lambda": np.array([0.8, 0.95])})
    generator = torch.Generator().manual_seed(0)
    shape = (2, 30, 3)
    over = torch.rand(shape, generator=generator) < 0.2
    whole = {
        "next": torch.randn(*shape, 4, generator=generator),
        "value": torch.randn(shape, generator=generator),
        "reward": torch.randn(shape, generator=generator),
        "end": over & (torch.rand(shape, generator=generator) < 0.5),
        "over": over,
    }
    with torch.no_grad():
        found = form._advantages(whole)
        after = form._stack.forward(whole["next"].reshape(2, -1, 4))[..., -1].view(shape)
    form.close()
    for row, (gamma, decay) in enumerate([(0.9, 0.8), (0.99, 0.95)]):
        for env in range(3):
            later = 0.0
            for t in reversed(range(30)):
                value = 0.0 if whole["end"][row, t, env] else float(after[row, t, env])
                delta = float(whole["reward"][row, t, env]) + gamma * value - float(whole["value"][row, t, env])
                later = delta + (0.0 if over[row, t, env] else gamma * decay * later)
                assert float(found[row, t, env]) == pytest.approx(later, abs=1e-4)
