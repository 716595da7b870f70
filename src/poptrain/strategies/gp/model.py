"""From rows to proposals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from poptrain.core.errors import MissingExtra
from poptrain.strategies.gp.rows import Row, Table

__all__ = ["Model", "Proposal", "check_installed"]

Array = NDArray[np.float64]
Pending = Literal["zero", "mean"]

_WINDOWS = (50, 100, 200)
"""Trailing windows to choose from where there are more rows than the longest."""

_FITTED = 100
"""Last rows that the parameters of the process are found by."""

_UNIFORM, _NEAR = 400, 100
_REFINEMENTS = (0.1, 0.03)


def check_installed(what: str) -> Any:
    """Return the module with the Gaussian process.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        return import_module("poptrain.strategies.gp.regression")
    except ImportError:
        raise MissingExtra(what, "bayesian") from None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where to go next, and what the model expects of it.

    Args:
        units: places in [0, 1].
        mean, deviation: of the gain there, in standard deviations of all gains.
    """

    units: tuple[float, ...]
    mean: float
    deviation: float


class Model:
    """The gains of some rows, and the proposals of one round.

    Proposals of the same round know of each other: every one is added to the data as pending, so that the next one goes
    elsewhere.

    Args:
        rows: at least two.
        intervals: of the study.
        most: rows to look back at; None to choose among trailing windows by marginal likelihood, where there are many.
        rough: whether the kernel is Matern-5/2 rather than squared exponential.
        pending: what a pending proposal is taken to gain: "zero" (it narrows the deviation only), or the "mean" there.
    """

    def __init__(
        self, rows: Sequence[Row], *, intervals: int, most: int | None, rough: bool = False, pending: Pending = "zero"
    ) -> None:
        self._rows = list(rows)
        self._intervals = intervals
        self._most = most
        self._rough = rough
        self._pending = pending
        self._added: list[tuple[Array, float]] = []
        self._kernel: Any = None
        self._regression = check_installed("PB2")

    def propose(
        self,
        rng: np.random.Generator,
        *,
        time: int,
        before: float,
        centre: Sequence[float],
        options: Sequence[int],
        radius: float = 1.0,
    ) -> Proposal:
        """Return the place with the highest mu + sqrt(beta) sigma that a search among draws finds.

            beta = 0.2 + max(0, log(0.4 n)),   n: rows

        Args:
            rng: keyed generator.
            time, before: the context, held fixed.
            centre: the copied member's place.
            options: of the unordered choices, held fixed.
            radius: half the side of the trust region around `centre`; 1 for everywhere.
        """
        here = np.array(centre)
        low, high = np.clip(here - radius, 0.0, 1.0), np.clip(here + radius, 0.0, 1.0)
        near = here + 0.1 * rng.standard_normal((_NEAR, len(here)))
        units = np.clip(np.vstack([rng.uniform(low, high, (_UNIFORM, len(here))), near]), low, high)
        best, value, expected = self._best(units, time, before, options)
        for width in _REFINEMENTS:
            around = np.clip(best + width * rng.standard_normal((_NEAR, len(here))), low, high)
            other, found, at = self._best(around, time, before, options)
            if found > value:
                best, value, expected = other, found, at
        mean, deviation = expected
        self._added.append((self._table.point(time, before, best.tolist(), options), mean if self._pending == "mean" else 0.0))
        self.__dict__.pop("_narrowed", None)
        return Proposal(tuple(best.tolist()), mean, deviation)

    @cached_property
    def _fitted(self) -> tuple[Table, Any]:
        """The rows that count, and a process over them.

        Among windows the parameters are those of the middle one, so that only one search for them is made.
        """
        rows, most = self._rows, self._most
        if most is not None or len(rows) < _WINDOWS[-1]:
            kept = rows[-(most or len(rows)) :]
            return self._fit(kept[-_FITTED:], kept)
        found = [self._fit(rows[-_FITTED:], rows[-size:]) for size in _WINDOWS]
        return max(found, key=lambda pair: self._regression.likelihood_of(pair[1]))

    def _fit(self, few: Sequence[Row], rows: Sequence[Row]) -> tuple[Table, Any]:
        """Return a process over `rows` whose parameters are those of the last few of them."""
        kernel = self._parameters(tuple(few))
        table = Table(rows, self._intervals)
        return table, self._regression.with_parameters(kernel, table.x, table.y)

    def _parameters(self, few: tuple[Row, ...]) -> Any:
        if self._kernel is None:
            table = Table(few, self._intervals)
            self._kernel = self._regression.fit(table.x, table.y, options=len(few[0].options), rough=self._rough).kernel_
        return self._kernel

    @property
    def _table(self) -> Table:
        return self._fitted[0]

    @cached_property
    def _narrowed(self) -> Any:
        """The process with the pending proposals, for deviations only; the parameters are those of the rows."""
        table, process = self._fitted
        if not self._added:
            return process
        x = np.vstack([table.x, *(point for point, _ in self._added)])
        y = np.concatenate([table.y, [gain for _, gain in self._added]])
        return self._regression.with_parameters(process.kernel_, x, y)

    def _best(self, units: Array, time: int, before: float, options: Sequence[int]) -> tuple[Array, float, tuple[float, float]]:
        """Return the best of some places, its value, and mean and deviation there."""
        table, process = self._fitted
        x = np.stack([table.point(time, before, row.tolist(), options) for row in units])
        mean = (self._narrowed if self._pending == "mean" else process).predict(x)
        _, deviation = self._narrowed.predict(x, return_std=True)
        beta = 0.2 + max(0.0, math.log(0.4 * len(table.y)))
        values = mean + math.sqrt(beta) * deviation
        place = int(values.argmax())
        return units[place], float(values[place]), (float(mean[place]), float(deviation[place]))
