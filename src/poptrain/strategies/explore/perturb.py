"""Perturbation by a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.space import Space
from poptrain.strategies.explore.base import Explore

__all__ = ["Perturb", "perturb"]


@dataclass(frozen=True)
class Perturb(Explore):
    """Multiplies each hyperparameter by one of the factors, drawn uniformly and independently.

    What a factor does to each kind of domain, `Parameter.perturb` says: whole numbers move by at least one, ordered choices to
    a neighbour, and zero is not absorbing.

    Args:
        factors: candidates, each > 0.
        by_name: other candidates for some hyperparameters; a single 1.0 leaves one alone.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, section 4.1.2 (1.2 and 0.8; GANs 2.0 and 0.5).
    """

    factors: tuple[float, ...] = (0.8, 1.2)
    by_name: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", _checked(self.factors, "factors"))
        named = {name: _checked(factors, f"factors of {name!r}") for name, factors in self.by_name.items()}
        object.__setattr__(self, "by_name", named)

    def check(self, space: Space) -> None:
        """Refuse names that the space has not."""
        space.check_names(self.by_name)

    def __call__(self, rng: np.random.Generator, space: Space, hparams: Hparams) -> dict[str, Value]:
        """Return perturbed hyperparameters."""
        changed = dict(hparams)
        draws = rng.random(len(space.movable)).tolist()
        for name, draw in zip(space.movable, draws, strict=True):
            factors = self.by_name.get(name, self.factors)
            factor = factors[int(draw * len(factors))]
            if factor != 1.0:
                changed[name] = space[name].perturb(hparams[name], factor, rng)
        return changed


def perturb(factors: tuple[float, ...] = (0.8, 1.2), by_name: Mapping[str, tuple[float, ...]] | None = None) -> Perturb:
    """Return perturbation by one of `factors`, with other ones for the hyperparameters in `by_name`."""
    return Perturb(tuple(factors), dict(by_name or {}))


def _checked(factors: object, what: str) -> tuple[float, ...]:
    values = tuple(factors) if isinstance(factors, (tuple, list)) else ()
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if not values or len(numbers) < len(values) or not all(v > 0 and math.isfinite(v) for v in numbers):
        raise ConfigError(f"{what} must be positive numbers such as (0.8, 1.2), got {factors!r}")
    return tuple(float(v) for v in numbers)
