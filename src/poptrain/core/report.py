"""What a member tells the algorithm at the end of an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from poptrain.core.values import Hparams

__all__ = ["Mode", "Report", "fitness_of"]

Mode = Literal["max", "min"]


@dataclass(frozen=True, slots=True)
class Report:
    """One evaluation of one member.

    Args:
        member: index of the member, 0 <= member < population.
        interval: number of intervals the member has completed, >= 1.
        fitness: score oriented so that higher is better (`fitness_of`); NaN for a failed or diverged member.
        hparams: the hyperparameters this interval was trained with.
        metrics: every number that was reported, as it was; None where it was not finite.
    """

    member: int
    interval: int
    fitness: float
    hparams: Hparams
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether this report can neither win nor donate: its fitness is NaN or infinite."""
        return not math.isfinite(self.fitness)


def fitness_of(score: float | None, mode: Mode) -> float:
    """Return the score oriented higher-is-better; NaN where there is none, or where it is not finite.

    This is the only place in the project where a score is oriented.

    Example:
        >>> fitness_of(0.25, "min")
        -0.25
        >>> fitness_of(float("-inf"), "min")
        nan
    """
    if score is None or not math.isfinite(score):
        return math.nan
    return score if mode == "max" else -score
