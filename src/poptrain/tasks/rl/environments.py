"""Environments of gymnasium as Stable-Baselines3 wants them: several at a time, Atari's with the usual wrappers."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack

from poptrain.core.errors import ConfigError, DataError, PoptrainError

__all__ = ["look_at", "make_environments"]

_ATARI = "ALE/"
_FRAMES = 4
"""Pictures of an Atari game that are seen at a time."""


class Finite(gym.Wrapper[Any, Any, Any, Any]):
    """Refuses rewards and observations that are not finite, and names who gave them."""

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Act."""
        seen, reward, *rest = self.env.step(action)
        if not np.isfinite(np.float64(reward)):
            raise DataError(f"the environment {self._name()!r} returned a reward that is NaN or infinite")
        return self._checked(seen), reward, *rest

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        seen, info = self.env.reset(**options)
        return self._checked(seen), info

    def _checked(self, seen: Any) -> Any:
        if not np.isfinite(seen).all():
            raise DataError(f"the environment {self._name()!r} returned an observation with NaN or infinity")
        return seen

    def _name(self) -> str:
        return "?" if self.spec is None else self.spec.id


def make_environments(name: str, count: int, *, training: bool, render_mode: str | None = None) -> VecEnv:
    """Return `count` environments.

    Args:
        name: of the environment.
        count: how many.
        training: Atari's only: rewards are clipped to -1, 0 and 1, and a lost life is an episode's end.
        render_mode: "rgb_array" for pictures.
    """
    made: VecEnv = DummyVecEnv([partial(_make, name, training, render_mode)] * count)
    return VecFrameStack(made, _FRAMES) if name.startswith(_ATARI) else made


def _make(name: str, training: bool, render_mode: str | None) -> gym.Env[Any, Any]:
    if not name.startswith(_ATARI):
        return Finite(gym.make(name, render_mode=render_mode))
    gym.register_envs(importlib.import_module("ale_py"))
    game = gym.make(name, render_mode=render_mode, frameskip=1)  # the wrapper skips pictures itself
    return Finite(AtariWrapper(game, clip_reward=training, terminal_on_life_loss=training))


def look_at(name: str, algorithm: str) -> str:
    """Return what an environment shows and takes, in words.

    Raises:
        ConfigError: there is no such environment, or the algorithm is not for its actions or observations.
        PoptrainError: a package that it needs is not installed.
    """
    try:
        made = _make(name, training=True, render_mode=None)
    except (ModuleNotFoundError, gym.error.DependencyNotInstalled) as error:
        hint = ": pip install ale-py opencv-python-headless" if name.startswith(_ATARI) else ""
        raise PoptrainError(f"the environment {name!r} needs a package that is not installed ({error}){hint}") from error
    except (gym.error.Error, ImportError) as error:
        raise ConfigError(f"there is no environment {name!r}: {error}") from error
    seen, taken = made.observation_space, made.action_space
    made.close()
    if not isinstance(seen, gym.spaces.Box | gym.spaces.Discrete):
        raise ConfigError(
            f"the environment {name!r} shows {seen}: agents see a Box or a Discrete; register it with FlattenObservation"
        )
    wanted: dict[str, Any] = {"dqn": gym.spaces.Discrete, "sac": gym.spaces.Box}
    if not isinstance(taken, wanted.get(algorithm, gym.Space)):
        other = "ppo, a2c or sac" if algorithm == "dqn" else "ppo, a2c or dqn"
        kind = wanted[algorithm].__name__
        raise ConfigError(f"the environment {name!r} takes {taken}, and {algorithm} wants {kind} actions: take {other}")
    return f"shows {seen}, takes {taken}"
