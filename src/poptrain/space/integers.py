"""Whole-number hyperparameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Value
from poptrain.space.base import Bounds, Parameter, check_bounds, plain, reflected

__all__ = ["Int"]


@dataclass(frozen=True, slots=True)
class Int(Parameter):
    """A whole number in [low, high], both included.

    A perturbation multiplies and rounds, and moves by at least one in the direction of its factor, so that a small number can
    neither stick nor fall to zero for ever (1 x 0.8 is 0, and 1 x 1.2 is 2); then it is clipped.

    Args:
        low, high: bounds, low < high; low >= 1 where `log`.
        log: whether the range is logarithmic.
        structural: whether another value needs other weights.
        bounds: what becomes of a move that would leave the range: "clip" ends at the bound, "reflect" comes back from it by as
            much as it would have gone beyond.

    Example:
        >>> Int(0, 8).perturb(1, 1.2, np.random.default_rng(0))
        2
    """

    low: int
    high: int
    log: bool = False
    structural: bool = False
    bounds: Bounds = "clip"
    kind: ClassVar[str] = "int"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = plain(getattr(self, name))
            if isinstance(value, bool) or not isinstance(value, int):
                raise SpaceError(f"{name} of an Int must be a whole number, got {value!r}: use Float for real numbers")
            if abs(value) > 2**53:
                raise SpaceError(f"{name} of an Int must lie within +-2**53, got {value!r}")
            object.__setattr__(self, name, value)
        check_bounds(self.bounds)
        if not self.low < self.high:
            raise SpaceError(
                f"an Int needs low < high, got low={self.low!r}, high={self.high!r}: use Constant for a single value"
            )
        if self.log and self.low < 1:
            raise SpaceError(f"a logarithmic Int needs low >= 1, got low={self.low!r}: raise low or pass log=False")

    def sample(self, rng: np.random.Generator) -> int:
        """Draw uniformly; where `log`, each number by the logarithmic width of its unit."""
        return self.from_unit(rng.random())

    def perturb(self, value: Value, factor: float, rng: np.random.Generator) -> int:
        """Multiply by `factor`, round, move by at least one, and clip."""
        number = self._number(value)
        moved = number + round(abs(number) * (factor - 1.0))
        if factor > 1.0:
            moved = max(moved, number + 1)
        elif factor < 1.0:
            moved = min(moved, number - 1)
        return self.bounded(moved)

    def bounded(self, number: float) -> int:
        """Return a number that a move ended at, rounded and brought back into the range as `bounds` says."""
        whole = round(number)
        if self.bounds == "reflect" and not self.low <= whole <= self.high:
            whole = self.low + round((self.high - self.low) * reflected((whole - self.low) / (self.high - self.low)))
        return self.clip(whole)

    def clip(self, value: Value) -> int:
        """Return the nearest whole number in [low, high]."""
        return min(max(self._number(value), self.low), self.high)

    def contains(self, value: Any) -> bool:
        """Return whether `value` is a whole number in [low, high]."""
        value = plain(value)
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def to_unit(self, value: Value) -> float:
        """Return the middle of the part of [0, 1] that stands for a number; every number has such a part."""
        return self.place(self.clip(value))

    def place(self, number: float) -> float:
        """Return where in [0, 1] a real number from low - 1/2 to high + 1/2 lies; `from_unit` rounds it."""
        low, width = self._edges()
        return min(max(((math.log(number) if self.log else number) - low) / width, 0.0), 1.0)

    def from_unit(self, unit: float) -> int:
        """Return the number whose part of [0, 1] holds `unit`; places outside come back as `bounds` says."""
        low, width = self._edges()
        inside = reflected(unit) if self.bounds == "reflect" else min(max(unit, 0.0), 1.0)
        place = low + inside * width
        return self.clip(math.floor((math.exp(place) if self.log else place) + 0.5))

    def describe(self) -> str:
        """Return for example 'a whole number in [1, 8]'."""
        return f"a whole number in [{self.low}, {self.high}]" + (", logarithmic" if self.log else "")

    def to_json(self) -> dict[str, Any]:
        """Return type and fields."""
        named = {"type": self.kind, "low": self.low, "high": self.high, "log": self.log, "structural": self.structural}
        return named if self.bounds == "clip" else {**named, "bounds": self.bounds}

    def _edges(self) -> tuple[float, float]:
        """Return (start, width) of the range from low - 1/2 to high + 1/2, in logarithms where `log`."""
        low, high = self.low - 0.5, self.high + 0.5
        if self.log:
            low, high = math.log(low), math.log(high)
        return low, high - low

    def _number(self, value: Value) -> int:
        if type(value) is int:
            return value
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise SpaceError(f"expected {self.describe()}, got {value!r}")
        return round(value)
