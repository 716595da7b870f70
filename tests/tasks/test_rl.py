"""Agents of Stable-Baselines3: hyperparameters are where the library reads them, and what was saved goes on exactly."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poptrain.baselines import RandomSearch
from poptrain.core.errors import ConfigError, DataError, PoptrainError
from poptrain.core.rng import seed_everything
from poptrain.tasks.run import resume, run_task

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import gymnasium as gym
import torch

from poptrain.tasks.rl import Settings, search_space
from poptrain.tasks.rl.environments import look_at
from poptrain.tasks.rl.training import Agent

ALGORITHMS = ("ppo", "a2c", "dqn", "sac")
SMALL: dict[str, Any] = {
    "environments": 2,
    "width": 16,
    "horizon": 16,
    "memory": 1000,
    "warm_up": 40,
    "episodes": 2,
    "test_episodes": 2,
}


def settings(algorithm: str, **changes: Any) -> Settings:
    own: dict[str, Any] = {"environment": "CartPole-v1", "horizon": 64}
    if algorithm == "sac":
        own = {"environment": "Pendulum-v1", "horizon": 12, "updates": 1}
    return Settings(**{**SMALL, "algorithm": algorithm, **own, **changes})


def middle(made: Settings) -> dict[str, Any]:
    found = {name: parameter.from_unit(0.4) for name, parameter in search_space(made).items()}
    return {**found, "lr": 5e-3, **({"epochs": 10} if "epochs" in found else {})}


def member(made: Settings, seed: int = 0, **hparams: Any) -> Agent:
    seed_everything(seed)
    agent = Agent(settings=made)
    agent.configure({**middle(made), **hparams})
    return agent


def weights(agent: Agent) -> torch.Tensor:
    return torch.cat([values.detach().flatten() for values in agent.model.policy.parameters()])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("normalise", [False, True])
def test_what_was_saved_goes_on_exactly(algorithm: str, normalise: bool) -> None:
    made = settings(algorithm, normalise=normalise)
    here, there = member(made, 0), member(made, 1)
    seed_everything(5)
    here.step(3)
    there.step(1)
    there.load_state_dict(copy.deepcopy(here.state_dict()))
    there.configure(middle(made))
    assert there.evaluate() == here.evaluate()
    for one in (here, there):
        seed_everything(6)
        one.step(2)
    assert torch.equal(weights(here), weights(there))
    assert there.evaluate() == here.evaluate()


@pytest.mark.parametrize(("algorithm", "name"), [(a, n) for a in ALGORITHMS for n in search_space(settings(a))])
def test_every_hyperparameter_acts_from_the_next_interval_on(algorithm: str, name: str) -> None:
    made = settings(algorithm)
    start = member(made)
    seed_everything(2)
    start.step(2)
    state = copy.deepcopy(start.state_dict())

    def end(unit: float) -> torch.Tensor:
        agent = member(made, 1)
        agent.load_state_dict(copy.deepcopy(state))
        agent.configure({**middle(made), name: search_space(made)[name].from_unit(unit)})
        seed_everything(3)
        agent.step(2)
        return weights(agent)

    assert not torch.equal(end(0.0), end(1.0))
    assert torch.equal(end(0.4), end(0.4))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_in_force_is_read_where_it_acts(algorithm: str) -> None:
    made = settings(algorithm)
    agent = member(made)
    other = {name: parameter.from_unit(0.9) for name, parameter in search_space(made).items()}
    agent.load_state_dict(
        copy.deepcopy(member(made, 1, **other).state_dict())
    )  # with the donor's learning rate in its optimiser
    assert agent.effective()["lr"] == other["lr"]
    agent.configure(middle(made))
    assert agent.effective() == {name: value for name, value in middle(made).items() if name != "entropy_target"}


def test_rewards_are_scaled_with_the_member_s_own_gamma() -> None:
    agent = member(settings("ppo", normalise=True), gamma=0.95)
    assert agent.scaling is not None
    assert agent.scaling.gamma == agent.model.rollout_buffer.gamma == 0.95


def test_scoring_changes_nothing() -> None:
    made = settings("ppo", normalise=True)
    here, there = member(made), member(made)
    for one in (here, there):
        seed_everything(4)
        one.step(2)
        if one is here:
            one.evaluate()
        seed_everything(5)
        one.step(2)
    assert torch.equal(weights(here), weights(there))


def test_a_diverged_agent_scores_nan_and_rests() -> None:
    agent = member(settings("ppo"))
    with torch.no_grad():
        next(iter(agent.model.policy.parameters())).fill_(float("nan"))
    agent.step(1)
    assert np.isnan(agent.evaluate()["episodic_return"])


def test_it_learns() -> None:
    made = settings("ppo", environments=8, horizon=128, width=64, episodes=10)
    agent = member(made, 1, lr=1e-3, gamma=0.99, gae_lambda=0.95, epochs=10, batch_size=128, entropy=1e-4, clip_range=0.2)
    before = agent.evaluate()["episodic_return"]
    agent.step(8)
    assert before < 50
    assert agent.evaluate()["episodic_return"] > 150


def test_it_is_a_study_that_resumes(tmp_path: Path) -> None:
    options: dict[str, Any] = {"population": 3, "interval_steps": 2, "executor": "inline", "algorithm": RandomSearch()}
    small = {**SMALL, "algorithm": "dqn"}
    want = run_task("rl", small, directory=tmp_path / "whole", intervals=3, **options)
    run_task("rl", small, directory=tmp_path / "parts", intervals=2, **options)
    found = resume(tmp_path / "parts", intervals=3)
    assert found.digest() == want.digest()
    assert found.held_out is not None
    assert (found.held_out.metrics["episodic_return"] or 0.0) >= 8
    assert (tmp_path / "parts" / "episode.gif").read_bytes()[:6] == b"GIF89a"


class Sick(gym.Env[Any, Any]):
    """Is well for five moves."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, what: str = "reward") -> None:
        self.what, self.moves = what, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.moves = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.moves += 1
        sick = self.moves > 5
        seen = np.full(2, np.nan if sick and self.what == "observation" else 0.0, np.float32)
        return seen, float("nan") if sick and self.what == "reward" else 1.0, False, False, {}


class Nested(Sick):
    observation_space = gym.spaces.Dict({"a": gym.spaces.Box(-1, 1, (2,), np.float32)})  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _registered() -> Any:
    for what in ("reward", "observation"):
        gym.register(f"Sick-{what}-v0", entry_point=lambda what=what, **_: Sick(what))
    gym.register("Nested-v0", entry_point=lambda **_: Nested())
    yield
    for name in ("Sick-reward-v0", "Sick-observation-v0", "Nested-v0"):
        gym.registry.pop(name)


@pytest.mark.parametrize("what", ["reward", "observation"])
def test_an_environment_that_returns_nan_is_named(what: str) -> None:
    with pytest.raises(DataError, match=rf"'Sick-{what}-v0' returned an? {what} (that is|with) NaN"):
        member(settings("ppo", environment=f"Sick-{what}-v0")).step(1)


@pytest.mark.parametrize(
    ("algorithm", "environment", "said"),
    [
        ("ppo", "CartPole-v77", "there is no environment 'CartPole-v77'"),
        ("dqn", "Pendulum-v1", "dqn wants Discrete actions: take ppo, a2c or sac"),
        ("sac", "CartPole-v1", "sac wants Box actions: take ppo, a2c or dqn"),
        ("ppo", "Nested-v0", "agents see a Box or a Discrete"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_remedy(algorithm: str, environment: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        look_at(environment, algorithm)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ale_py", None)
    with pytest.raises(PoptrainError, match="pip install ale-py"):
        look_at("ALE/Pong-v5", "ppo")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"algorithm": "trpo"}, "one of ppo, a2c, dqn, sac, got 'trpo'"),
        ({"environments": 0}, "environments must be at least 1, got 0"),
        ({"horizon": 1, "environments": 1}, "at least two moves"),
        ({"memory": 10}, "at least 1000 moves, got 10"),
        ({"warm_up": 60_000}, "between 0 and the memory's 50000 moves"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Settings(**changes)


def test_pictures_of_games_are_seen(tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    pytest.importorskip("cv2")
    made = settings("ppo", environment="ALE/Pong-v5", horizon=4)
    assert "Discrete(6)" in look_at("ALE/Pong-v5", "ppo")
    agent = member(made, epochs=1)
    assert agent.model.policy.observation_space.shape == (4, 84, 84)
    before = weights(agent).clone()
    agent.step(1)
    assert not torch.equal(weights(agent), before)
