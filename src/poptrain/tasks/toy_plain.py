"""A toy with a schedule to find: the lower the hyperparameter, the faster the climb.

    objective   1.2 - theta^2, from theta = 0.9
    step        theta <- theta - 0.001 * rate * 2 theta,  rate = 2 - h

Being greedy is right here: members that lower h win at once and at the end. Its deceptive sister is `toy_deceptive`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poptrain.core.values import Hparams, Value
from poptrain.space import Float
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import TaskStudy

__all__ = ["INTERVALS", "INTERVAL_STEPS", "POPULATION", "SPACE", "SUMMARY", "Plain", "Settings", "algorithm", "make_study"]

SUMMARY = "one hyperparameter that PBT should learn to lower (a few seconds)"

SPACE: Mapping[str, Float] = {"h": Float(1e-4, 1.1, log=True)}
POPULATION = 22
INTERVAL_STEPS = 20
INTERVALS = 50


class Plain:
    """The climb; the state is theta."""

    def __init__(self) -> None:
        self.theta = 0.9
        self.h = 1.0

    def configure(self, hparams: Hparams) -> None:
        """Set h."""
        h = hparams["h"]
        assert isinstance(h, float)
        self.h = h

    def effective(self) -> dict[str, Value]:
        """Return the h that is in force."""
        return {"h": self.h}

    def step(self, steps: int) -> None:
        """Climb for `steps` steps."""
        for _ in range(steps):
            self.theta -= 0.001 * (2.0 - self.h) * 2.0 * self.theta

    def evaluate(self) -> float:
        """Return the objective."""
        return 1.2 - self.theta**2

    def state_dict(self) -> dict[str, Any]:
        """Return theta."""
        return {"theta": self.theta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from another theta."""
        self.theta = state["theta"]


def algorithm(factor: float = 1.2, starts: tuple[Mapping[str, Value], ...] = ()) -> PBT:
    """Return PBT with truncation of a quarter and the factors `factor` and 1 / `factor`.

    Args:
        factor: more than 1.
        starts: first hyperparameters; empty for an even grid in [0.9, 1.1], one value a member.
    """
    grid = tuple({"h": float(h)} for h in np.linspace(0.9, 1.1, POPULATION))
    explored = explore.perturb((factor, 1.0 / factor))
    return PBT(exploit=exploit.truncation(0.25), explore=explored, initial=starts or grid)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the task.

    Args:
        factor: of the perturbation, more than 1.
    """

    factor: float = 1.2


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Return the study; nothing has to be prepared in `folder`."""
    return TaskStudy(
        train=Plain,
        space=SPACE,
        metric="objective",
        mode="max",
        population=POPULATION,
        intervals=INTERVALS,
        interval_steps=INTERVAL_STEPS,
        algorithm=algorithm(settings.factor),
        about=("maximise 1.2 - theta^2; the rate is 2 - h, so that h should fall",),
    )
