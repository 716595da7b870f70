"""Real hyperparameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Value
from poptrain.space.base import Bounds, Parameter, Transform, check_bounds, plain, reflected

__all__ = ["Float"]

_SMALLEST_MOVE = 0.02
"""Part of a linear range that a perturbation moves at least, per natural-log unit of its factor over that of 1.2."""


@dataclass(frozen=True, slots=True)
class Float(Parameter):
    """A real number in [low, high].

    A perturbation multiplies. In a linear range a value near zero would hardly move, and zero not at all, so that a move is
    never shorter than 2 % of the range (for the factors 1.2 and 1 / 1.2; in proportion to log(factor) for others). A negative
    value moves by the same rule: a factor above 1 always moves up.

    With a transform, values are drawn, placed in the unit interval and perturbed by it:

        log        log x                 x is multiplied by the factor
        "1-x"      -log(1 - x)           1 - x is divided by the factor: for discounts and momenta
        "logit"    log(x / (1 - x))      the odds x / (1 - x) are multiplied by the factor: for probabilities

    Args:
        low, high: bounds, finite, low < high; low > 0 where `log` or "logit", high < 1 where "1-x" or "logit".
        log: whether the range is logarithmic.
        structural: whether another value needs other weights.
        transform: "", "1-x" or "logit"; not together with `log`.
        bounds: what becomes of a move that would leave the range: "clip" ends at the bound, "reflect" comes back from it by as
            much as it would have gone beyond.

    Example:
        >>> Float(1e-4, 1.0, log=True).perturb(0.01, 1.2, np.random.default_rng(0))
        0.012
        >>> Float(0.5, 0.999, transform="1-x").perturb(0.9, 2.0, np.random.default_rng(0))
        0.95
        >>> Float(0.0, 1.0).perturb(0.0, 1.2, np.random.default_rng(0))
        0.02
    """

    low: float
    high: float
    log: bool = False
    structural: bool = False
    transform: Transform = ""
    bounds: Bounds = "clip"
    _origin: float = field(init=False, repr=False, compare=False)  # low, transformed
    _width: float = field(init=False, repr=False, compare=False)  # high - low, transformed
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
        check_bounds(self.bounds)
        self._check_transform()
        object.__setattr__(self, "_origin", self._scaled(self.low))
        object.__setattr__(self, "_width", self._scaled(self.high) - self._origin)
        if not self._scaled(self.low) < self._scaled(self.high):
            raise SpaceError(
                f"the logarithms of low={self.low!r} and high={self.high!r} are equal: use Constant or pass log=False"
            )

    def _check_transform(self) -> None:
        if self.transform not in get_args(Transform):
            raise SpaceError(f"transform of a Float must be '1-x' or 'logit', or empty for none, got {self.transform!r}")
        if self.transform and self.log:
            raise SpaceError(f"a Float has log=True or transform={self.transform!r}, not both: leave one of them out")
        if self.transform and self.high >= 1:
            raise SpaceError(f"transform={self.transform!r} needs high < 1, got high={self.high!r}: lower it, as to 0.999")
        if self.transform == "logit" and self.low <= 0:
            raise SpaceError(f"transform='logit' needs low > 0, got low={self.low!r}: raise it, as to 0.001")

    def sample(self, rng: np.random.Generator) -> float:
        """Draw uniformly, by the logarithm where `log`."""
        return self.from_unit(rng.random())

    def perturb(self, value: Value, factor: float, rng: np.random.Generator) -> float:
        """Multiply by `factor`, at least by the smallest move, and come back into the range."""
        number = self._number(value)
        if self.log:
            return self.bounded(number * factor)
        if self.transform:
            return self.bounded(self._unscaled(self._scaled(self.clip(number)) + math.log(factor)))
        least = _SMALLEST_MOVE * (self.high - self.low) * math.log(factor) / math.log(1.2)
        move = abs(number) * (factor - 1.0)
        return self.bounded(number + (move if abs(move) > abs(least) else least))

    def bounded(self, number: float) -> float:
        """Return a number that a move ended at, brought back into the range as `bounds` says."""
        if self.bounds == "clip" or self.low <= number <= self.high:
            return min(max(number, self.low), self.high)
        if self.log and number <= 0:
            return self.low
        return self.from_unit((self._scaled(number) - self._origin) / self._width)

    def clip(self, value: Value) -> float:
        """Return the nearest number in [low, high]."""
        return min(max(self._number(value), self.low), self.high)

    def contains(self, value: Any) -> bool:
        """Return whether `value` is a number in [low, high]."""
        value = plain(value)
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high

    def to_unit(self, value: Value) -> float:
        """Return (value - low) / (high - low), of the transformed values."""
        return min(max((self._scaled(self.clip(value)) - self._origin) / self._width, 0.0), 1.0)

    def from_unit(self, unit: float) -> float:
        """Return the inverse of `to_unit`; places outside of [0, 1] come back as `bounds` says."""
        inside = reflected(unit) if self.bounds == "reflect" else min(max(unit, 0.0), 1.0)
        return self.clip(self._unscaled(self._origin + inside * self._width))

    def describe(self) -> str:
        """Return for example 'a number in [0.0001, 1.0], logarithmic'."""
        return f"a number in [{self.low!r}, {self.high!r}]" + (", logarithmic" if self.log else "")

    def to_json(self) -> dict[str, Any]:
        """Return type and fields."""
        named = {"type": self.kind, "low": self.low, "high": self.high, "log": self.log, "structural": self.structural}
        further = {"transform": (self.transform, ""), "bounds": (self.bounds, "clip")}
        return {**named, **{name: value for name, (value, usual) in further.items() if value != usual}}

    def _scaled(self, number: float) -> float:
        if self.log:
            return math.log(number)
        if self.transform == "1-x":
            return -math.log1p(-number)
        return math.log(number / (1.0 - number)) if self.transform == "logit" else number

    def _unscaled(self, scaled: float) -> float:
        if self.log:
            return math.exp(scaled)
        if self.transform == "1-x":
            return -math.expm1(-scaled)
        return 1.0 / (1.0 + math.exp(-scaled)) if self.transform == "logit" else scaled

    def _number(self, value: Value) -> float:
        if type(value) is float and value == value:
            return value
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise SpaceError(f"expected {self.describe()}, got {value!r}")
        return float(value)
