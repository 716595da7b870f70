"""Additive noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.space import Choice, Space
from poptrain.strategies.explore.base import Explore

__all__ = ["Additive", "additive"]


@dataclass(frozen=True, slots=True)
class Additive(Explore):
    """Adds normal noise to each number, in units of its range, and clips: h <- clip(h + N(0, sd) * (high - low)).

    In logarithmic ranges the logarithm moves. Choices stay as they are. Unlike a factor, noise leaves zero as easily as any
    other value.

    Args:
        sd: standard deviation as a part of the range, > 0.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, figure 2 (the toy perturbs additively).
    """

    sd: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.sd, bool) or not (self.sd > 0 and math.isfinite(self.sd)):
            raise ConfigError(f"sd must be a positive number, got {self.sd!r}: 0.1 is a tenth of the range")

    def check(self, space: Space) -> None:
        """Accept any space."""

    def __call__(self, rng: np.random.Generator, space: Space, hparams: Hparams) -> dict[str, Value]:
        """Return hyperparameters with noise."""
        changed = dict(hparams)
        for name in space.movable:
            domain = space[name]
            if not isinstance(domain, Choice):
                changed[name] = domain.from_unit(domain.to_unit(hparams[name]) + float(rng.normal(0.0, self.sd)))
        return changed


def additive(sd: float = 0.1) -> Additive:
    """Return additive normal noise with standard deviation `sd` of each range."""
    return Additive(sd)
