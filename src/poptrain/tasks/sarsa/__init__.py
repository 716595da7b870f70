"""Deep Double SARSA: values of actions, learned from what was really done next.

`training.py` shows how members act and learn; the environments are those of the actor-critic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Choice, Float, Int
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy

__all__ = ["SPACE", "SUMMARY", "Settings", "make_study"]

SUMMARY = "Deep Double SARSA (episodic return): LunarLander, or any discrete environment of gymnasium"

SPACE = {
    "lr": Float(1e-4, 1e-2, log=True),
    "gamma": Float(0.9, 0.999, transform="1-x"),
    "epsilon_decay": Float(0.98, 0.9999, transform="1-x"),
    "target_period": Int(10, 1000, log=True),
    "batch_size": Choice([32, 64, 128, 256], ordered=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which environment, which network, how much is remembered.

    Args:
        environment: name of a gymnasium environment with discrete actions.
        width: units of both hidden layers.
        environments: environments that each member acts in at a time; a step is a move in each, and an update.
        memory: moves that are remembered; the oldest are forgotten.
        least_epsilon: share of random actions that the decay ends at.
        episodes: greedy episodes that members are scored on; their random states are never trained with.
        test_episodes: further such episodes for the held-out score.
    """

    environment: str = "LunarLander-v3"
    width: int = 64
    environments: int = 8
    memory: int = 20_000
    least_epsilon: float = 0.02
    episodes: int = 20
    test_episodes: int = 100

    def __post_init__(self) -> None:
        for name in ("width", "environments", "episodes", "test_episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.memory < 1000:
            raise ConfigError(f"memory must hold at least 1000 moves, got {self.memory}")
        if not 0 <= self.least_epsilon <= 1:
            raise ConfigError(f"least_epsilon must be a share between 0 and 1, got {self.least_epsilon}")


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Look at the environment and return the study.

    Raises:
        ConfigError: there is no such environment, or it is not one with discrete actions.
        MissingExtra: torch or gymnasium is not installed.
        PoptrainError: a package that the environment needs is not installed.
    """
    try:
        from poptrain.tasks.policy.environments import look_at
        from poptrain.tasks.sarsa.training import Sarsa
    except ImportError:
        raise MissingExtra("the sarsa task", "rl") from None
    sizes = look_at(settings.environment)
    return TaskStudy(
        train=partial(Sarsa, settings=settings),
        space=SPACE,
        metric="episodic_return",
        mode="max",
        population=8,
        intervals=20,
        interval_steps=1000,
        algorithm=PBT(exploit=exploit.truncation(0.25), explore=explore.perturb((0.8, 1.2))),
        held_out=partial(_held_out, settings, folder.absolute()),
        manual=tuple(
            {"lr": lr, "gamma": 0.99, "epsilon_decay": 0.999, "target_period": 200, "batch_size": 64} for lr in (5e-4, 2e-3)
        ),
        about=(
            f"{settings.environment}: {sizes.inputs} observed numbers, {sizes.actions} actions",
            f"a step is {settings.environments} moves and an update; scored by the mean return of {settings.episodes} greedy "
            f"episodes",
        ),
    )


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.sarsa.training import film, score

    return HeldOutScores(
        score(settings, state), {"episodes": str(settings.test_episodes), "film": film(settings, state, folder)}
    )
