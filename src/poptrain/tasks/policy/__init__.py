"""Policy gradients: an advantage actor-critic in any environment of gymnasium with discrete actions.

`training.py` shows how the members learn; `environments.py` what they learn in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Float
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy

__all__ = ["SPACE", "SUMMARY", "Settings", "make_study"]

SUMMARY = "actor-critic reinforcement learning (episodic return): CartPole, or any discrete environment of gymnasium"

SPACE = {
    "lr": Float(1e-4, 3e-2, log=True),
    "entropy": Float(1e-5, 1e-1, log=True),
    "gamma": Float(0.9, 0.999),
    "gae_lambda": Float(0.8, 1.0),
    "clip_norm": Float(0.1, 10.0, log=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which environment, which network, how much experience for each update.

    Args:
        environment: name of a gymnasium environment with discrete actions.
        width: units of both hidden layers, which policy and value share.
        environments: environments that each member acts in at a time.
        horizon: moves in each of them between two updates.
        episodes: greedy episodes that members are scored on; their random states are never trained with.
        test_episodes: further such episodes for the held-out score.
    """

    environment: str = "CartPole-v1"
    width: int = 64
    environments: int = 8
    horizon: int = 16
    episodes: int = 20
    test_episodes: int = 100

    def __post_init__(self) -> None:
        for name in ("width", "environments", "horizon", "episodes", "test_episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Look at the environment and return the study.

    Raises:
        ConfigError: there is no such environment, or it is not one with discrete actions.
        MissingExtra: torch, gymnasium, or what the environment needs is not installed.
    """
    try:
        from poptrain.tasks.policy.environments import look_at
        from poptrain.tasks.policy.training import ActorCritics
    except ImportError:
        raise MissingExtra("the policy task", "rl") from None
    sizes = look_at(settings.environment)
    moves = settings.environments * settings.horizon
    return TaskStudy(
        train=partial(ActorCritics, settings=settings),
        space=SPACE,
        metric="episodic_return",
        mode="max",
        population=16,
        intervals=20,
        interval_steps=50,
        algorithm=PBT(exploit=exploit.truncation(0.2), explore=explore.perturb((0.8, 1.2))),
        held_out=partial(_held_out, settings, folder.absolute()),
        about=(
            f"{settings.environment}: {sizes.inputs} observed numbers, {sizes.actions} actions",
            f"{moves} moves for each update; scored by the mean return of {settings.episodes} greedy episodes",
        ),
    )


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.policy.film import episode, save_film
    from poptrain.tasks.policy.training import actor, score

    notes = {"episodes": str(settings.test_episodes)}
    film = save_film(partial(episode, settings.environment, actor(settings, state)), folder)
    return HeldOutScores(score(settings, state), {**notes, "film": film})
