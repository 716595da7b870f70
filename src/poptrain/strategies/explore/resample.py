"""Resampling from the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.space import Space
from poptrain.strategies.explore.base import Explore

__all__ = ["Resample", "resample"]


@dataclass(frozen=True, slots=True)
class Resample(Explore):
    """Draws each hyperparameter anew from its domain with some probability, independently.

    Args:
        p: the probability, 0 < p <= 1.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, section 4.1.2.
    """

    p: float = 0.25

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not 0 < self.p <= 1:
            raise ConfigError(f"the probability of resampling must be more than 0 and at most 1, got {self.p!r}")

    def check(self, space: Space) -> None:
        """Accept any space."""

    def __call__(self, rng: np.random.Generator, space: Space, hparams: Hparams) -> dict[str, Value]:
        """Return hyperparameters of which some were drawn anew."""
        changed = dict(hparams)
        draws = rng.random(len(space.movable)).tolist()
        for name, draw in zip(space.movable, draws, strict=True):
            if draw < self.p:
                changed[name] = space[name].sample(rng)
        return changed


def resample(p: float = 0.25) -> Resample:
    """Return resampling of each hyperparameter with probability `p`."""
    return Resample(p)
