"""Hyperparameter values as they travel between space, strategies, journal and training code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Hparams", "Value"]

Value: TypeAlias = float | int | str | bool | None
"""One hyperparameter value; JSON can hold each of them exactly."""

Hparams: TypeAlias = Mapping[str, Value]
"""Flat mapping from (dotted) name to value; never mutated, replaced as a whole."""
