"""Additive noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.space import Float, Int, Space
from poptrain.strategies.explore.base import Explore

__all__ = ["Additive", "additive"]

Units = Literal["range", "natural"]


@dataclass(frozen=True, slots=True)
class Additive(Explore):
    """Adds normal noise to each number, and clips (or reflects, where the domain says so).

        units="range":    h <- clip(h + N(0, sd) * (high - low)); in logarithmic ranges the logarithm moves
        units="natural":  h <- clip(h + N(0, sd))

    Whole numbers are rounded at random, up or down by how near they are, so that small noise moves them too, only seldom.
    Choices stay as they are. Unlike a factor, noise leaves zero as easily as any other value.

    Args:
        sd: standard deviation in the units, > 0.
        units: "range" (sd is a part of each range) or "natural" (sd is in the hyperparameters' own units).

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, figure 2 (the toy perturbs additively).
    """

    sd: float = 0.1
    units: Units = "range"

    def __post_init__(self) -> None:
        if isinstance(self.sd, bool) or not (self.sd > 0 and math.isfinite(self.sd)):
            raise ConfigError(f"sd must be a positive number, got {self.sd!r}: 0.1 is a tenth of the range")
        if self.units not in get_args(Units):
            raise ConfigError(f"units must be 'range' or 'natural', got {self.units!r}")

    def check(self, space: Space) -> None:
        """Accept any space."""

    def __call__(self, rng: np.random.Generator, space: Space, hparams: Hparams) -> dict[str, Value]:
        """Return hyperparameters with noise."""
        changed = dict(hparams)
        for name in space.movable:
            noise = float(rng.normal(0.0, self.sd))
            domain = space[name]
            if isinstance(domain, Float):
                changed[name] = self._move_float(domain, hparams[name], noise)
            elif isinstance(domain, Int):
                # A whole number stands for an interval of width one: it starts from anywhere inside of its own.
                start = domain.clip(hparams[name]) + float(rng.random()) - 0.5
                changed[name] = self._move_int(domain, start, noise)
        return changed

    def _move_float(self, domain: Float, value: Value, noise: float) -> float:
        if self.units == "range":
            return domain.from_unit(domain.to_unit(value) + noise)
        return domain.bounded(domain.clip(value) + noise)

    def _move_int(self, domain: Int, start: float, noise: float) -> int:
        if self.units == "range":
            return domain.from_unit(domain.place(start) + noise)
        return domain.bounded(start + noise)


def additive(sd: float = 0.1, *, units: Units = "range") -> Additive:
    """Return additive normal noise with standard deviation `sd`, as a part of each range or in natural units."""
    return Additive(sd, units)
