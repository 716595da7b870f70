"""Environments of gymnasium, several at a time for every member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from poptrain.core.errors import ConfigError, DataError, PoptrainError

__all__ = ["Group", "Moves", "Sizes", "look_at"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What an environment shows and takes.

    Args:
        inputs: observed numbers.
        actions: possible actions.
        longest: moves after which an episode ends at the latest.
    """

    inputs: int
    actions: int
    longest: int


_LONGEST = 10_000
"""For environments that set no limit themselves."""


def look_at(name: str) -> Sizes:
    """Return an environment's sizes.

    Raises:
        ConfigError: there is no such environment, its actions are not discrete, or its observations are no numbers.
        PoptrainError: a package that it needs is not installed.
    """
    try:
        made = gym.make(name)
    except gym.error.DependencyNotInstalled as error:
        raise PoptrainError(f"the environment {name!r} needs a package that is not installed: {error}") from error
    except (gym.error.Error, ImportError) as error:
        raise ConfigError(f"there is no environment {name!r}: {error}") from error
    spaces, limit = (made.observation_space, made.action_space), None if made.spec is None else made.spec.max_episode_steps
    made.close()
    if not isinstance(spaces[1], gym.spaces.Discrete) or spaces[1].start != 0:
        raise ConfigError(f"the environment {name!r} takes {spaces[1]}: this task learns discrete actions counted from 0")
    if not isinstance(spaces[0], gym.spaces.Box):
        raise ConfigError(f"the environment {name!r} shows {spaces[0]}: this task learns from a Box of numbers")
    return Sizes(int(np.prod(spaces[0].shape)), int(spaces[1].n), limit or _LONGEST)


@dataclass(frozen=True, slots=True)
class Moves:
    """What a move of every member in all its environments led to; every array has the shape (members, environments, ...).

    Args:
        observed: what is seen afterwards; at an episode's end its last sight.
        rewards: of the move.
        terminated: whether the episode came to its end.
        truncated: whether it was cut off.
        void: whether the move only began a new episode, so that nothing is to be learned from it.
    """

    observed: NDArray[np.float32]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    void: NDArray[np.bool_]


class Group:
    """The environments of all members; those of one member have a random state of their own.

    Args:
        name: of the environment.
        members: number of members.
        each: environments of each.
    """

    def __init__(self, name: str, members: int, each: int) -> None:
        self._name = name
        spec = gym.spec(name)
        mode = "sync" if spec.vector_entry_point is None else "vector_entry_point"
        self._made: list[VectorEnv[Any, Any, Any]] = [
            gym.make_vec(name, num_envs=each, vectorization_mode=mode) for _ in range(members)
        ]
        self._over = np.zeros((members, each), dtype=np.bool_)

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Begin new episodes from a random state for each member; what is seen has shape (members, environments, inputs)."""
        self._over[:] = False
        return self._checked([made.reset(seed=seed % 2**31)[0] for made, seed in zip(self._made, seeds, strict=True)])

    def move(self, actions: NDArray[np.int64]) -> Moves:
        """Act, shape (members, environments)."""
        void = self._over
        steps = [made.step(taken) for made, taken in zip(self._made, actions, strict=True)]
        terminated, truncated = np.stack([s[2] for s in steps]), np.stack([s[3] for s in steps])
        self._over = terminated | truncated
        rewards = np.stack([s[1] for s in steps]).astype(np.float32)
        if not np.isfinite(rewards).all():
            raise DataError(f"the environment {self._name!r} returned a reward that is NaN or infinite")
        return Moves(self._checked([s[0] for s in steps]), rewards, terminated, truncated, void)

    def _checked(self, seen: list[NDArray[Any]]) -> NDArray[np.float32]:
        stacked = np.stack(seen).astype(np.float32)
        if not np.isfinite(stacked).all():
            raise DataError(f"the environment {self._name!r} returned an observation with NaN or infinity")
        return stacked.reshape(*stacked.shape[:2], -1)

    def close(self) -> None:
        """Close all environments."""
        for made in self._made:
            made.close()
