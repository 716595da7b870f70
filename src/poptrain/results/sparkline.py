"""A course of values as one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from poptrain.core.values import Value

__all__ = ["letters", "number_text", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ?"


def sparkline(values: Sequence[float], *, low: float, high: float, log: bool = False) -> str:
    """Return one bar for each number; `low` is the lowest bar and `high` the full height.

    Args:
        values: numbers from `low` to `high`.
        low, high: ends of the axis; where they are equal all bars are half high.
        log: whether heights follow logarithms, provided that low > 0.

    Example:
        >>> sparkline([1.0, 10.0, 100.0], low=1.0, high=100.0, log=True)
        '▁▅█'
    """
    scale = math.log if log and low > 0 else float
    bottom, top = scale(low), scale(high)
    if not top > bottom:
        return _BARS[len(_BARS) // 2 - 1] * len(values)
    parts = [(scale(value) - bottom) / (top - bottom) for value in values]
    return "".join(_BARS[min(len(_BARS) - 1, max(0, int(len(_BARS) * part)))] for part in parts)


def letters(values: Sequence[Value], options: Sequence[Value]) -> str:
    """Return one letter for each value: A for the first of `options`, and so on; behind Z it is a question mark.

    Example:
        >>> letters(["relu", "relu", "gelu"], ["relu", "gelu"])
        'AAB'
    """
    return "".join(_LETTERS[min(options.index(value), len(_LETTERS) - 1)] for value in values)


def number_text(value: Value) -> str:
    """Return a value in at most four significant digits, if it is a float.

    Example:
        >>> number_text(0.000123456), number_text(32), number_text(True)
        ('0.0001235', '32', 'True')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
