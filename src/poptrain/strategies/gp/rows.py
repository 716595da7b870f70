"""What has been tried: one row for each interval of each member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poptrain.core.values import Hparams, Value
from poptrain.space import Choice, Space

__all__ = ["Row", "Table", "kinds_of", "place_of", "value_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One interval of one member.

    Args:
        time: number of the interval, >= 1.
        before: fitness of the state that the interval began with: after a copy the donor's, so that a copy is never a gain.
        gain: fitness after the interval less `before`; None where the interval failed.
        units: where in [0, 1] the numbers and ordered choices lay, in the order of the space.
        options: the number of the option of each unordered choice.
    """

    time: int
    before: float
    gain: float | None
    units: list[float]
    options: list[int]


def kinds_of(space: Space) -> tuple[list[str], list[str]]:
    """Return the movable names that have an order, and those of unordered choices."""
    unordered = [name for name in space.movable if _unordered(space, name)]
    return [name for name in space.movable if name not in unordered], unordered


def place_of(space: Space, hparams: Hparams) -> tuple[list[float], list[int]]:
    """Return `units` and `options` of some hyperparameters."""
    numbers, choices = kinds_of(space)
    return [space[name].to_unit(hparams[name]) for name in numbers], [_number(space, name, hparams[name]) for name in choices]


def value_of(space: Space, base: Hparams, units: Sequence[float], options: Sequence[int]) -> dict[str, Value]:
    """Return hyperparameters at a place; all that does not move is as in `base`."""
    numbers, choices = kinds_of(space)
    found = dict(base)
    for name, unit in zip(numbers, units, strict=True):
        found[name] = space[name].from_unit(float(unit))
    for name, option in zip(choices, options, strict=True):
        domain = space[name]
        assert isinstance(domain, Choice)
        found[name] = domain.options[option]
    return found


def _unordered(space: Space, name: str) -> bool:
    domain = space[name]
    return isinstance(domain, Choice) and not domain.ordered


def _number(space: Space, name: str, value: Value) -> int:
    domain = space[name]
    assert isinstance(domain, Choice)
    return min(int(domain.to_unit(value) * len(domain.options)), len(domain.options) - 1)


class Table:
    """Rows as arrays, scaled as the model takes them.

        y        gains, standardised and clipped to [-2, 2]; a failed interval has the lowest gain there is
        context  `before`, min-max over the rows
        time     intervals, divided by the study's

    Args:
        rows: at least two.
        intervals: of the study.
    """

    def __init__(self, rows: Sequence[Row], intervals: int) -> None:
        known = [row.gain for row in rows if row.gain is not None]
        worst = min(known, default=0.0)
        gains = np.array([worst if row.gain is None else row.gain for row in rows])
        self.y: Array = np.clip((gains - gains.mean()) / (gains.std() or 1.0), -2.0, 2.0)
        before = np.array([row.before for row in rows])
        self._low, self._width = float(before.min()), float(before.max() - before.min()) or 1.0
        self._intervals = intervals
        self.x: Array = np.stack([self.point(row.time, row.before, row.units, row.options) for row in rows])

    def point(self, time: int, before: float, units: Sequence[float], options: Sequence[int]) -> Array:
        """Return a row of the model's inputs, shape (2 + units + options,): time, context, units, options."""
        context = min(max((before - self._low) / self._width, -1.0), 2.0)
        return np.array([time / self._intervals, context, *units, *options], dtype=np.float64)
