"""From what a user reports to plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poptrain.core.errors import ReportError

__all__ = ["as_metrics"]


def as_metrics(reported: float | Mapping[str, Any], metric: str) -> dict[str, float]:
    """Return all metrics as floats, by name.

    Args:
        reported: one number, which is the study's metric, or numbers by name (Python, NumPy or one-element tensors).
        metric: name of the study's metric.

    Raises:
        ReportError: the study's metric is missing, or a value is not one number.

    Example:
        >>> as_metrics(0.5, "accuracy")
        {'accuracy': 0.5}
    """
    values = reported if isinstance(reported, Mapping) else {metric: reported}
    found = {str(name): _number(str(name), value) for name, value in values.items()}
    if metric not in found:
        got = ", ".join(found) or "nothing"
        raise ReportError(f"the study selects by {metric!r}, but what was reported is {got}: report {metric}=...")
    return found


def _number(name: str, value: Any) -> float:
    if isinstance(value, str) or value is None:
        raise ReportError(f"a metric must be a number, got {name}={value!r}: report NaN for a diverged member")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ReportError(
            f"a metric must be one number, got {name}={type(value).__name__}: reduce it first, as in x.mean().item()"
        ) from error
