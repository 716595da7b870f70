"""The contract of explore strategies."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from poptrain.core.values import Hparams, Value
from poptrain.space import Space

__all__ = ["Explore", "changes"]


class Explore(ABC):
    """Changes hyperparameters inside of their space.

    A frozen dataclass of options. Constants and structural hyperparameters stay as they are: the latter belong to the weights.
    """

    @abstractmethod
    def check(self, space: Space) -> None:
        """Raise ConfigError or SpaceError if an option does not fit the space."""

    @abstractmethod
    def __call__(self, rng: np.random.Generator, space: Space, hparams: Hparams) -> dict[str, Value]:
        """Return changed hyperparameters, all inside of `space`; `hparams` itself is not touched."""


def changes(before: Hparams, after: Hparams) -> str:
    """Return in words what changed: 'lr 0.01 -> 0.012 (x1.2)', or 'no hyperparameter changed'.

    Example:
        >>> changes({"lr": 0.01, "layers": 2}, {"lr": 0.012, "layers": 2})
        'lr 0.01 -> 0.012 (x1.2)'
    """
    found = [_change(name, before.get(name), value) for name, value in after.items() if before.get(name) != value]
    return ", ".join(found) or "no hyperparameter changed"


def _change(name: str, before: Value, after: Value) -> str:
    if isinstance(before, float) and isinstance(after, float):
        ratio = f" (x{after / before:.3g})" if before else ""
        return f"{name} {before:.4g} -> {after:.4g}{ratio}"
    return f"{name} {before} -> {after}"
