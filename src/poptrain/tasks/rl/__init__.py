"""Reinforcement learning with the agents of Stable-Baselines3: PPO, A2C, DQN and SAC.

`training.py` shows how a member carries such an agent; `environments.py` makes what it acts in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Choice, Float, Int
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy

__all__ = ["SUMMARY", "Settings", "make_study", "search_space"]

SUMMARY = "agents of Stable-Baselines3 (episodic return): PPO, A2C, DQN or SAC in any environment of gymnasium"

_HORIZON = {"ppo": 128, "a2c": 8, "dqn": 128, "sac": 128}
_INTERVAL = {"ppo": 4, "a2c": 100, "dqn": 4, "sac": 2}
_BY_HAND: dict[str, dict[str, Any]] = {
    "ppo": {
        "lr": 3e-4,
        "entropy": 1e-4,
        "clip_range": 0.2,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "epochs": 10,
        "batch_size": 64,
    },
    "a2c": {"lr": 7e-4, "entropy": 1e-4, "gamma": 0.99, "gae_lambda": 0.95, "clip_norm": 0.5},
    "dqn": {"lr": 1e-3, "gamma": 0.99, "epsilon": 0.05, "target_period": 500, "batch_size": 64},
    "sac": {"lr": 3e-4, "gamma": 0.99, "tau": 0.005, "entropy_target": 1.0, "batch_size": 256},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which agent, in which environment.

    Args:
        algorithm: "ppo", "a2c", "dqn" (discrete actions) or "sac" (continuous ones).
        environment: name of a gymnasium environment; MuJoCo's need the package mujoco, and ALE/... need ale-py and OpenCV.
        environments: environments that each member acts in at a time.
        horizon: moves in each of them in one step; 0: as is usual, 8 for a2c and 128 for the others.
        width: units of both hidden layers; pictures are seen by the usual convolutions.
        memory: moves that dqn and sac remember; the oldest are forgotten.
        warm_up: moves before the first update of dqn and sac.
        updates: updates of dqn and sac after a move in all environments.
        normalise: keep running means and deviations of what is observed, and of returns, and scale by them.
        episodes: greedy episodes that members are scored on; their random states are never trained with.
        test_episodes: further such episodes for the held-out score.
    """

    algorithm: Literal["ppo", "a2c", "dqn", "sac"] = "ppo"
    environment: str = "CartPole-v1"
    environments: int = 8
    horizon: int = 0
    width: int = 64
    memory: int = 50_000
    warm_up: int = 1000
    updates: int = 2
    normalise: bool = False
    episodes: int = 20
    test_episodes: int = 100

    def __post_init__(self) -> None:
        if self.algorithm not in _BY_HAND:
            raise ConfigError(f"algorithm must be one of {', '.join(_BY_HAND)}, got {self.algorithm!r}")
        for name in ("environments", "width", "updates", "episodes", "test_episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.horizon < 0 or (self.algorithm in ("ppo", "a2c") and self.horizon and self.horizon * self.environments < 2):
            raise ConfigError(f"horizon must be 0, or at least two moves in all environments together, got {self.horizon}")
        if self.memory < 1000:
            raise ConfigError(f"memory must hold at least 1000 moves, got {self.memory}")
        if not 0 <= self.warm_up <= self.memory:
            raise ConfigError(f"warm_up must be between 0 and the memory's {self.memory} moves, got {self.warm_up}")

    @property
    def moves(self) -> int:
        """Moves in each environment in one step."""
        return self.horizon or _HORIZON[self.algorithm]


def search_space(settings: Settings) -> dict[str, Any]:
    """Return what is tuned: what the algorithm has."""
    lr, gamma = Float(1e-5, 1e-2, log=True), Float(0.9, 0.9999, transform="1-x")
    batch_size = Choice([32, 64, 128, 256, 512], ordered=True)
    if settings.algorithm == "dqn":
        epsilon, target_period = Float(0.01, 0.5, log=True), Int(50, 10_000, log=True)
        return {"lr": lr, "gamma": gamma, "epsilon": epsilon, "target_period": target_period, "batch_size": batch_size}
    if settings.algorithm == "sac":
        tau, entropy_target = Float(1e-3, 0.1, log=True), Float(0.25, 2.0, log=True)
        return {"lr": lr, "gamma": gamma, "tau": tau, "entropy_target": entropy_target, "batch_size": batch_size}
    entropy, gae_lambda = Float(1e-5, 0.1, log=True), Float(0.8, 0.999, transform="1-x")
    if settings.algorithm == "a2c":
        clip_norm = Float(0.1, 10.0, log=True)
        return {"lr": lr, "entropy": entropy, "gamma": gamma, "gae_lambda": gae_lambda, "clip_norm": clip_norm}
    return {
        "lr": lr,
        "entropy": entropy,
        "clip_range": Float(0.05, 0.5, log=True),
        "gamma": gamma,
        "gae_lambda": gae_lambda,
        "epochs": Int(1, 20, log=True),
        "batch_size": batch_size,
    }


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Look at the environment and return the study.

    Raises:
        ConfigError: there is no such environment, or the algorithm is not for its actions or observations.
        MissingExtra: Stable-Baselines3 is not installed.
        PoptrainError: a package that the environment needs is not installed.
    """
    try:
        from poptrain.tasks.rl.environments import look_at
        from poptrain.tasks.rl.training import Agent
    except ImportError:
        raise MissingExtra("the rl task", "rl") from None
    seen = look_at(settings.environment, settings.algorithm)
    return TaskStudy(
        train=partial(Agent, settings=settings),
        space=search_space(settings),
        metric="episodic_return",
        mode="max",
        population=8,
        intervals=15,
        interval_steps=_INTERVAL[settings.algorithm],
        algorithm=PBT(exploit=exploit.truncation(0.25), explore=explore.perturb((0.8, 1.25))),
        held_out=partial(_held_out, settings, folder.absolute()),
        manual=(_BY_HAND[settings.algorithm],),
        about=(
            f"{settings.algorithm.upper()} of Stable-Baselines3 in {settings.environment}: {seen}",
            f"a step is {settings.moves} moves in {settings.environments} environments with the updates",
            f"scored by the mean return of {settings.episodes} greedy episodes",
        ),
    )


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.rl.training import film, score

    return HeldOutScores(
        score(settings, state), {"episodes": str(settings.test_episodes), "film": film(settings, state, folder)}
    )
