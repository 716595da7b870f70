"""Hyperparameters that are not tuned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Value
from poptrain.space.base import Parameter, plain

__all__ = ["Constant"]


@dataclass(frozen=True, slots=True)
class Constant(Parameter):
    """A single value, which every member has for ever.

    Args:
        value: string, number, boolean or None.
        structural: accepted for uniformity; a constant never changes anyway.
    """

    value: Value
    structural: bool = False
    kind: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        value = plain(self.value)
        if not (value is None or isinstance(value, (str, bool, int, float))):
            raise SpaceError(f"a constant must be a string, number, boolean or None, got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise SpaceError(f"a constant number must be finite, got {value!r}")
        object.__setattr__(self, "value", value)

    def sample(self, rng: np.random.Generator) -> Value:
        """Return the value."""
        return self.value

    def perturb(self, value: Value, factor: float, rng: np.random.Generator) -> Value:
        """Return the value."""
        return self.value

    def clip(self, value: Value) -> Value:
        """Return the value."""
        return self.value

    def contains(self, value: Any) -> bool:
        """Return whether `value` equals it."""
        value = plain(value)
        return isinstance(value, bool) == isinstance(self.value, bool) and bool(value == self.value)

    def to_unit(self, value: Value) -> float:
        """Return 1/2."""
        return 0.5

    def from_unit(self, unit: float) -> Value:
        """Return the value."""
        return self.value

    def describe(self) -> str:
        """Return for example 'the constant 3'."""
        return f"the constant {self.value!r}"

    def to_json(self) -> dict[str, Any]:
        """Return type and value."""
        return {"type": self.kind, "value": self.value, "structural": self.structural}
