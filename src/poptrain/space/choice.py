"""Categorical hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Value
from poptrain.space.base import Parameter, plain

__all__ = ["Choice"]

_REDRAWN = 0.25
"""Probability with which a perturbation redraws a choice without an order."""


@dataclass(frozen=True, slots=True)
class Choice(Parameter):
    """One of several values.

    A perturbation of ordered options moves to the neighbour in the direction of its factor. Unordered options have no
    direction: with probability 1/4 the value is redrawn among the others. It mostly stays, since a copy whose choices were all
    redrawn would have little left of what made its donor good.

    Args:
        options: at least two different values: strings, numbers, booleans or None.
        ordered: whether neighbours in the list are alike.
        structural: whether another value needs other weights.

    Example:
        >>> Choice([16, 32, 64], ordered=True).perturb(32, 1.2, np.random.default_rng(0))
        64
    """

    options: Sequence[Value]
    ordered: bool = False
    structural: bool = False
    kind: ClassVar[str] = "choice"

    def __post_init__(self) -> None:
        if isinstance(self.options, (str, bytes)) or not isinstance(self.options, Sequence):
            raise SpaceError(f"options of a Choice must be a list of values, got {self.options!r}")
        options = tuple(plain(option) for option in self.options)
        for option in options:
            if not (option is None or isinstance(option, (str, bool, int, float))):
                raise SpaceError(f"an option of a Choice must be a string, number, boolean or None, got {option!r}")
            if isinstance(option, float) and not math.isfinite(option):
                raise SpaceError(f"a number among the options of a Choice must be finite, got {option!r}")
        if len(options) < 2:
            raise SpaceError(f"a Choice needs at least two options, got {list(options)!r}: use Constant for a single value")
        for i, option in enumerate(options):
            if any(_same(option, other) for other in options[:i]):
                raise SpaceError(f"the options of a Choice must differ, got {option!r} twice: remove one")
        object.__setattr__(self, "options", options)

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw uniformly."""
        return self.options[int(rng.integers(len(self.options)))]

    def perturb(self, value: Value, factor: float, rng: np.random.Generator) -> Value:
        """Move to the neighbour; where there is no order, redraw among the others with probability 1/4."""
        index = self._index(value)
        if self.ordered:
            step = (factor > 1.0) - (factor < 1.0)
            return self.options[min(max(index + step, 0), len(self.options) - 1)]
        if factor == 1.0 or rng.random() >= _REDRAWN:
            return self.options[index]
        other = int(rng.integers(len(self.options) - 1))
        return self.options[other + (other >= index)]

    def clip(self, value: Value) -> Value:
        """Return the option that equals `value`; for ordered numbers the nearest one."""
        value = plain(value)
        numbers = [o for o in self.options if isinstance(o, (int, float)) and not isinstance(o, bool)]
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if numeric and self.ordered and len(numbers) == len(self.options) and not self.contains(value):
            return min(numbers, key=lambda option: abs(option - value))  # type: ignore[operator]
        return self.options[self._index(value)]

    def contains(self, value: Any) -> bool:
        """Return whether `value` is one of the options; True is not 1 here."""
        return any(_same(plain(value), option) for option in self.options)

    def to_unit(self, value: Value) -> float:
        """Return the middle of the option's part of [0, 1]."""
        return (self._index(value) + 0.5) / len(self.options)

    def from_unit(self, unit: float) -> Value:
        """Return the option whose part of [0, 1] holds `unit`."""
        return self.options[min(int(min(max(unit, 0.0), 1.0) * len(self.options)), len(self.options) - 1)]

    def describe(self) -> str:
        """Return for example 'one of 16, 32, 64'."""
        return f"one of {', '.join(map(repr, self.options))}"

    def to_json(self) -> dict[str, Any]:
        """Return type and fields."""
        return {
            "type": self.kind,
            "options": list(self.options),
            "ordered": self.ordered,
            "structural": self.structural,
        }

    def _index(self, value: Value) -> int:
        value = plain(value)
        for i, option in enumerate(self.options):
            if _same(value, option):
                return i
        raise SpaceError(f"expected {self.describe()}, got {value!r}")


def _same(a: Any, b: Any) -> bool:
    """Equality in which True is not 1; 1.0 and 1 are the same number."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
