"""Short names that other tools' users know."""

from __future__ import annotations

from collections.abc import Sequence

from poptrain.core.values import Value
from poptrain.space.choice import Choice
from poptrain.space.floats import Float
from poptrain.space.integers import Int

__all__ = ["choice", "loguniform", "randint", "uniform"]


def uniform(low: float, high: float) -> Float:
    """Return Float(low, high)."""
    return Float(low, high)


def loguniform(low: float, high: float) -> Float:
    """Return Float(low, high, log=True)."""
    return Float(low, high, log=True)


def randint(low: int, high: int) -> Int:
    """Return Int(low, high), both bounds included."""
    return Int(low, high)


def choice(options: Sequence[Value]) -> Choice:
    """Return Choice(options), without an order."""
    return Choice(options)
