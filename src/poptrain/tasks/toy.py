"""The toy of figure 2: two members that each improve one coordinate, and solve the problem only together.

    maximise        Q(theta)     = 1.2 - (theta_0^2 + theta_1^2)
    by climbing     Q^(theta, h) = 1.2 - (h_0 theta_0^2 + h_1 theta_1^2)

from theta = (0.9, 0.9). A member with h = (1, 0) never moves theta_1, one with h = (0, 1) never moves theta_0: without copies
the best score is 0.39 for ever. With copies each improves what the other has left, and 1.2 is reached.

Three things can go wrong here, and the tests hold poptrain to all of them: both members are equal at first, so that ties have
to be broken; a factor cannot leave h = 0; and noise leaves [0, 1] unless it is clipped.

References:
    Jaderberg et al. (2017), Population Based Training of Neural Networks, section 3.2 and figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from poptrain.core.values import Hparams, Value
from poptrain.space import Float
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import TaskStudy

__all__ = ["INTERVALS", "INTERVAL_STEPS", "SPACE", "STARTS", "SUMMARY", "FigureTwo", "Settings", "algorithm", "make_study"]

SUMMARY = "two members that solve a quadratic only by copying each other (figure 2 of the paper; a second)"

SPACE: Mapping[str, Float] = {"h0": Float(0.0, 1.0), "h1": Float(0.0, 1.0)}
STARTS: tuple[Mapping[str, Value], ...] = ({"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0})
INTERVAL_STEPS = 4
INTERVALS = 50

_RATE = 0.01


class FigureTwo:
    """Gradient ascent on the surrogate; the state is theta."""

    def __init__(self) -> None:
        self.theta = (0.9, 0.9)
        self.h = (1.0, 1.0)

    def configure(self, hparams: Hparams) -> None:
        """Set the weights of the surrogate's two terms."""
        self.h = (_number(hparams["h0"]), _number(hparams["h1"]))

    def effective(self) -> dict[str, Value]:
        """Return the weights that are in force."""
        return {"h0": self.h[0], "h1": self.h[1]}

    def step(self, steps: int) -> None:
        """Climb: theta_i <- theta_i + rate * dQ^/dtheta_i."""
        (t0, t1), (h0, h1) = self.theta, self.h
        for _ in range(steps):
            t0, t1 = t0 - _RATE * 2.0 * h0 * t0, t1 - _RATE * 2.0 * h1 * t1
        self.theta = (t0, t1)

    def evaluate(self) -> float:
        """Return the true objective Q."""
        return 1.2 - (self.theta[0] ** 2 + self.theta[1] ** 2)

    def state_dict(self) -> dict[str, Any]:
        """Return theta."""
        return {"theta": list(self.theta)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from another theta."""
        t0, t1 = state["theta"]
        self.theta = (t0, t1)


def _number(value: Value) -> float:
    assert isinstance(value, float)
    return value


def algorithm(copy: Literal["both", "weights", "hyperparameters"] = "weights") -> PBT:
    """Return PBT as the figure has it: after every interval the worse of the two copies the better one and adds N(0, 0.1)."""
    return PBT(exploit=exploit.truncation(0.5), explore=explore.additive(0.1), copy=copy, initial=STARTS)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the task.

    Args:
        copy: what a copy takes over: "weights" (as in the figure), "both" or "hyperparameters".
    """

    copy: Literal["both", "weights", "hyperparameters"] = "weights"


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Return the study; nothing has to be prepared in `folder`."""
    return TaskStudy(
        train=FigureTwo,
        space=SPACE,
        metric="objective",
        mode="max",
        population=len(STARTS),
        intervals=INTERVALS,
        interval_steps=INTERVAL_STEPS,
        algorithm=algorithm(settings.copy),
        about=("maximise 1.2 - |theta|^2 from (0.9, 0.9); 0.39 is what a member reaches alone, 1.2 the optimum",),
    )
