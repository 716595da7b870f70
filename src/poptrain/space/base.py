"""The contract of a hyperparameter's domain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Value

__all__ = ["Bounds", "Parameter", "Transform", "check_bounds", "plain", "reflected"]

Bounds: TypeAlias = Literal["clip", "reflect"]
"""What becomes of a move that would leave the range."""

Transform: TypeAlias = Literal["", "1-x", "logit"]
"""By what a real range is measured."""


class Parameter(ABC):
    """One hyperparameter's domain: an immutable value, equal to any other with the same fields.

    Every value that its methods return lies inside of the domain and is a plain Python value. `structural` ones change the
    shape of a member's state: they are drawn once, travel with the weights, and are never moved.
    """

    kind: ClassVar[str]
    structural: bool = False

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Value:
        """Draw a value."""

    @abstractmethod
    def perturb(self, value: Value, factor: float, rng: np.random.Generator) -> Value:
        """Move a value by a factor (> 0; above 1 moves up), clipped into the domain."""

    @abstractmethod
    def clip(self, value: Value) -> Value:
        """Return the nearest value of the domain.

        Raises:
            SpaceError: the value is of another type, or NaN.
        """

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Return whether a value lies in the domain."""

    @abstractmethod
    def to_unit(self, value: Value) -> float:
        """Return where in [0, 1] a value lies, by the logarithm or transform that the domain has."""

    @abstractmethod
    def from_unit(self, unit: float) -> Value:
        """Return the value at a place in [0, 1]; places outside are clipped, or reflected where the domain says so."""

    @abstractmethod
    def describe(self) -> str:
        """Return the domain in words, for messages."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the domain as JSON; `Space.from_json` reads it."""


def plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python value it holds; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def check_bounds(bounds: Any) -> None:
    """Refuse an unknown way to treat bounds."""
    if bounds not in get_args(Bounds):
        raise SpaceError(f"bounds must be 'clip' or 'reflect', got {bounds!r}")


def reflected(unit: float) -> float:
    """Return a place of the real line, folded at 0 and 1 until it lies between them.

    Example:
        >>> reflected(1.25), reflected(-0.5), reflected(2.25)
        (0.75, 0.5, 0.25)
    """
    place = unit % 2.0
    return 2.0 - place if place > 1.0 else place
