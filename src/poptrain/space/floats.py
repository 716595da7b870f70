"""Real hyperparameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Value
from poptrain.space.base import Parameter, plain

__all__ = ["Float"]

_SMALLEST_MOVE = 0.02
"""Part of a linear range that a perturbation moves at least, per natural-log unit of its factor over that of 1.2."""


@dataclass(frozen=True, slots=True)
class Float(Parameter):
    """A real number in [low, high].

    A perturbation multiplies. In a linear range a value near zero would hardly move, and zero not at all, so that a move is
    never shorter than 2 % of the range (for the factors 1.2 and 1 / 1.2; in proportion to log(factor) for others). A negative
    value moves by the same rule: a factor above 1 always moves up.

    Args:
        low, high: bounds, finite, low < high; low > 0 where `log`.
        log: whether the range is logarithmic: drawn, and placed in the unit interval, by its logarithm.
        structural: whether another value needs other weights.

    Example:
        >>> Float(1e-4, 1.0, log=True).perturb(0.01, 1.2, np.random.default_rng(0))
        0.012
        >>> Float(0.0, 1.0).perturb(0.0, 1.2, np.random.default_rng(0))
        0.02
    """

    low: float
    high: float
    log: bool = False
    structural: bool = False
    kind: ClassVar[str] = "float"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = plain(getattr(self, name))
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise SpaceError(f"{name} of a Float must be a finite number, got {value!r}")
            object.__setattr__(self, name, float(value))
        if not self.low < self.high:
            raise SpaceError(
                f"a Float needs low < high, got low={self.low!r}, high={self.high!r}: use Constant for a single value"
            )
        if not math.isfinite(self.high - self.low):
            raise SpaceError(f"the range of a Float must be finite, got low={self.low!r}, high={self.high!r}: narrow it")
        if self.log and self.low <= 0:
            raise SpaceError(f"a logarithmic Float needs low > 0, got low={self.low!r}: raise low or pass log=False")
        if not self._scaled(self.low) < self._scaled(self.high):
            raise SpaceError(
                f"the logarithms of low={self.low!r} and high={self.high!r} are equal: use Constant or pass log=False"
            )

    def sample(self, rng: np.random.Generator) -> float:
        """Draw uniformly, by the logarithm where `log`."""
        return self.from_unit(rng.random())

    def perturb(self, value: Value, factor: float, rng: np.random.Generator) -> float:
        """Multiply by `factor`, at least by the smallest move, and clip."""
        number = self._number(value)
        if self.log:
            return min(max(number * factor, self.low), self.high)
        least = _SMALLEST_MOVE * (self.high - self.low) * math.log(factor) / math.log(1.2)
        move = abs(number) * (factor - 1.0)
        return min(max(number + (move if abs(move) > abs(least) else least), self.low), self.high)

    def clip(self, value: Value) -> float:
        """Return the nearest number in [low, high]."""
        return min(max(self._number(value), self.low), self.high)

    def contains(self, value: Any) -> bool:
        """Return whether `value` is a number in [low, high]."""
        value = plain(value)
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high

    def to_unit(self, value: Value) -> float:
        """Return (value - low) / (high - low), of the logarithms where `log`."""
        low, high, number = self._scaled(self.low), self._scaled(self.high), self._scaled(self.clip(value))
        return min(max((number - low) / (high - low), 0.0), 1.0)

    def from_unit(self, unit: float) -> float:
        """Return the inverse of `to_unit`."""
        unit = min(max(unit, 0.0), 1.0)
        low, high = self._scaled(self.low), self._scaled(self.high)
        number = low + unit * (high - low)
        return self.clip(math.exp(number) if self.log else number)

    def describe(self) -> str:
        """Return for example 'a number in [0.0001, 1.0], logarithmic'."""
        return f"a number in [{self.low!r}, {self.high!r}]" + (", logarithmic" if self.log else "")

    def to_json(self) -> dict[str, Any]:
        """Return type and fields."""
        return {
            "type": self.kind,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "structural": self.structural,
        }

    def _scaled(self, number: float) -> float:
        return math.log(number) if self.log else number

    def _number(self, value: Value) -> float:
        if type(value) is float and value == value:
            return value
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise SpaceError(f"expected {self.describe()}, got {value!r}")
        return float(value)
