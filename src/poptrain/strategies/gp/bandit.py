"""Options of unordered choices, by a bandit that forgets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["chances", "drawn", "rewarded"]

_GAMMA = 0.3
"""Part of the draws that is uniform."""

_FORGET = 0.05
"""Part of the weights that is spread over all options at every reward."""


def chances(weights: Sequence[float]) -> list[float]:
    """Return the probability of each option: (1 - gamma) w_i / sum w + gamma / K.

    Example:
        >>> chances([1.0, 1.0])
        [0.5, 0.5]
    """
    total, count = math.fsum(weights), len(weights)
    return [(1 - _GAMMA) * weight / total + _GAMMA / count for weight in weights]


def rewarded(weights: Sequence[float], option: int, reward: float) -> list[float]:
    """Return the weights after one option has earned a reward in [0, 1].

        w_i <- w_i exp(gamma r^_i / K) + e a / K sum w,   r^_i = r / p_i for the option that was tried, else 0

    They are scaled to a mean of 1, which changes no probability.

    References:
        Parker-Holder et al. (2021), Tuning Mixed Input Hyperparameters on the Fly for Efficient Population Based AutoRL, arXiv
        2106.15883 (time-varying EXP3).
        Auer et al. (2002), The Nonstochastic Multiarmed Bandit Problem (EXP3.S).
    """
    count, old = len(weights), math.fsum(weights)
    estimate = reward / chances(weights)[option]
    spread = math.e * _FORGET / count * old
    made = [w * (math.exp(_GAMMA * estimate / count) if i == option else 1.0) + spread for i, w in enumerate(weights)]
    mean = math.fsum(made) / count
    return [weight / mean for weight in made]


def drawn(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Return an option by its probability."""
    return int(np.searchsorted(np.cumsum(chances(weights)), rng.random(), side="right").clip(0, len(weights) - 1))
