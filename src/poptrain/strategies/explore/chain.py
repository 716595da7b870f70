"""Several explores, one after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.space import Space
from poptrain.strategies.explore.base import Explore

__all__ = ["Chain", "chain"]


@dataclass(frozen=True, slots=True)
class Chain(Explore):
    """Lets each part change what the one before returned.

    Args:
        parts: at least one explore.
    """

    parts: tuple[Explore, ...]

    def __post_init__(self) -> None:
        if not self.parts or not all(isinstance(part, Explore) for part in self.parts):
            raise ConfigError(f"chain needs explores such as resample() and perturb(), got {self.parts!r}")

    def check(self, space: Space) -> None:
        """Check every part."""
        for part in self.parts:
            part.check(space)

    def __call__(self, rng: np.random.Generator, space: Space, hparams: Hparams) -> dict[str, Value]:
        """Return what the last part made of it."""
        changed = dict(hparams)
        for part in self.parts:
            changed = part(rng, space, changed)
        return changed


def chain(*parts: Explore) -> Chain:
    """Return the parts as one explore: chain(resample(p=0.25), perturb((0.8, 1.2)))."""
    return Chain(parts)
