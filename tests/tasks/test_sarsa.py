"""Deep Double SARSA: the target is what the equation says, every hyperparameter acts, and what was saved goes on exactly."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poptrain.core.errors import ConfigError
from poptrain.core.rng import seed_everything
from poptrain.tasks.run import resume, run_task

pytest.importorskip("torch")
pytest.importorskip("gymnasium")

import torch

from poptrain.tasks.sarsa import SPACE, Settings
from poptrain.tasks.sarsa.training import Memory, Sarsa

SMALL: dict[str, Any] = {
    "environment": "CartPole-v1",
    "width": 16,
    "environments": 4,
    "memory": 1000,
    "episodes": 3,
    "test_episodes": 3,
}
HPARAMS: dict[str, Any] = {"lr": 3e-3, "gamma": 0.95, "epsilon_decay": 0.99, "target_period": 20, "batch_size": 32}


def member(seed: int = 0, **changes: Any) -> Sarsa:
    seed_everything(seed)
    made = Sarsa(settings=Settings(**{**SMALL, **changes}))
    made.configure(HPARAMS)
    return made


def test_an_update_moves_towards_the_reward_and_the_next_action_s_worth() -> None:
    made = member()
    rng = np.random.default_rng(0)
    row = {
        "seen": rng.normal(size=(1, 4)).astype(np.float32),
        "later": rng.normal(size=(1, 4)).astype(np.float32),
        "action": np.array([1]),
        "next_action": np.array([0]),
        "reward": np.array([2.0], np.float32),
    }
    for over in (0.0, 1.0):
        made.memory = Memory(1000, 4)
        made.memory.add(**row, over=np.array([over], np.float32))
        with torch.no_grad():
            worth = float(made.target(torch.from_numpy(row["later"]))[0, 0])
        want = 2.0 + 0.95 * (1 - over) * worth
        made.configure({**HPARAMS, "target_period": 10_000})
        for _ in range(400):
            made.learn()
        with torch.no_grad():
            found = float(made.net(torch.from_numpy(row["seen"]))[0, 1])
        assert found == pytest.approx(want, abs=0.05)


def test_the_target_is_renewed_after_its_period() -> None:
    made = member()
    made.step(150)

    def equal() -> bool:
        return all(torch.equal(a, b) for a, b in zip(made.net.parameters(), made.target.parameters(), strict=True))

    while made.updates % 20:
        assert not equal()
        made.learn()
    assert equal()


def test_chance_decays_step_by_step_and_not_below_its_least() -> None:
    made = member()
    made.step(10)
    assert made.epsilon == pytest.approx(0.99**10)
    made.configure({**HPARAMS, "epsilon_decay": 0.5})
    made.step(20)
    assert made.epsilon == 0.02


def test_actions_follow_epsilon() -> None:
    made = member()
    seen = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    with torch.no_grad():
        greedy = made.net(torch.from_numpy(seen)).argmax(-1).numpy()
    made.epsilon = 0.0
    assert (made.act(seen) == greedy).all()
    made.epsilon = 0.4
    assert np.mean(made.act(seen) != greedy) == pytest.approx(0.2, abs=0.03)


def test_moves_that_only_begin_an_episode_are_not_remembered() -> None:
    made = member()
    made.step(200)  # episodes of chance last some twenty moves
    kept = len(made.memory)
    assert kept < 800
    memory = made.memory
    last = memory.over[:kept] == 1
    assert last.any()
    # within an episode the next move begins where the one before ended
    same = [np.array_equal(memory.later[i], memory.seen[i + 4]) for i in range(40) if not last[i : i + 5].any()]
    assert len(same) > 10
    assert np.mean(same) > 0.7


def test_the_memory_forgets_the_oldest() -> None:
    memory = Memory(5, 1)
    for i in range(8):
        value = np.array([i])
        memory.add(seen=value[:, None], later=value[:, None], action=value, next_action=value, reward=value, over=np.zeros(1))
    assert sorted(memory.action.tolist()) == [3, 4, 5, 6, 7]
    again = Memory(5, 1)
    again.load_state_dict(memory.state_dict())
    assert (again.count, again.action.tolist()) == (8, memory.action.tolist())


def test_what_was_saved_goes_on_exactly() -> None:
    here, there = member(0), member(1)
    seed_everything(5)
    here.step(160)
    there.load_state_dict(copy.deepcopy(here.state_dict()))
    for one in (here, there):
        seed_everything(6)
        one.step(40)
    assert here.evaluate() == there.evaluate()
    assert all(torch.equal(a, b) for a, b in zip(here.net.parameters(), there.net.parameters(), strict=True))


@pytest.mark.parametrize("name", SPACE)
def test_every_hyperparameter_acts(name: str) -> None:
    def end(**changes: Any) -> Any:
        made = member()
        made.configure({**HPARAMS, **changes})
        seed_everything(3)
        made.step(170)
        return np.concatenate([p.detach().numpy().ravel() for p in made.net.parameters()])

    value = SPACE[name].from_unit(0.95)
    assert value != HPARAMS[name]
    assert not np.array_equal(end(), end(**{name: value}))


def test_it_learns() -> None:
    made = member(episodes=10)
    made.configure({**HPARAMS, "target_period": 50, "batch_size": 64})
    before = made.evaluate()["episodic_return"]
    best = before
    for _ in range(8):
        made.step(150)
        best = max(best, made.evaluate()["episodic_return"])
    assert best > max(60.0, 2 * before)  # chance has about 20


def test_it_is_a_study_that_resumes(tmp_path: Path) -> None:
    options: dict[str, Any] = {"population": 3, "intervals": 2, "interval_steps": 150, "executor": "inline"}
    whole = run_task("sarsa", SMALL, directory=tmp_path / "whole", **options)
    run_task("sarsa", SMALL, directory=tmp_path / "parts", max_seconds=1e-6, **options)
    parts = resume(tmp_path / "parts", max_seconds=1e6)
    assert parts.digest() == whole.digest()
    assert whole.held_out is not None
    film = Path(whole.held_out.notes["film"])
    assert film.read_bytes()[:3] == b"GIF" or "cannot be drawn" in str(film)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"environment": "CartPole-v9"}, "there is no environment 'CartPole-v9'"),
        ({"environment": "Pendulum-v1"}, "learns discrete actions"),
        ({"memory": 10}, "memory must hold at least 1000"),
        ({"least_epsilon": 2.0}, "least_epsilon"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        run_task("sarsa", {**SMALL, **settings}, directory=tmp_path / "s", population=2, intervals=1)
