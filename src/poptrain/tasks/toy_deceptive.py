"""A toy that punishes greed: lowering the hyperparameter pays at once, and costs more later.

    objective   1.2 - theta^2, from theta = 0.9
    step        theta <- theta - 0.001 * rate * 2 theta
    rate        max(2 - h - 0.2 * sum_i |h_i - target_i|, 0),  target falling linearly from 1 to 0

where h_i is the hyperparameter at the beginning of the i-th interval of 20 steps. The linear schedule is optimal (1.198). A
greedy population lowers h too early, pays for it for ever, and ends below the best of as many constant values: plain PBT loses
to random search here, and poptrain does not hide it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poptrain.core.values import Hparams, Value
from poptrain.tasks.base import TaskStudy
from poptrain.tasks.toy_plain import INTERVAL_STEPS, INTERVALS, POPULATION, SPACE, Settings, algorithm

__all__ = ["SUMMARY", "Deceptive", "Settings", "make_study"]

SUMMARY = "one hyperparameter whose greedy choice loses in the end (a few seconds)"


class Deceptive:
    """The climb; the state is theta, the number of steps, and every h so far."""

    def __init__(self) -> None:
        self.theta = 0.9
        self.steps = 0
        self.history: list[float] = []
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
        """Climb for `steps` steps; h enters the history at the first one and at every twentieth after it."""
        debt = self.debt()
        for _ in range(steps):
            if self.steps % INTERVAL_STEPS == 0:
                self.history.append(self.h)
                debt = self.debt()
            self.theta -= 0.001 * max(2.0 - self.h - debt, 0.0) * 2.0 * self.theta
            self.steps += 1

    def debt(self) -> float:
        """Return what the distance between the history and its target costs, in units of the rate."""
        return 0.2 * sum(abs(h - (1.0 - i / INTERVALS)) for i, h in enumerate(self.history))

    def evaluate(self) -> float:
        """Return the objective."""
        return 1.2 - self.theta**2

    def state_dict(self) -> dict[str, Any]:
        """Return everything but h."""
        return {"theta": self.theta, "steps": self.steps, "history": list(self.history)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from another state."""
        self.theta, self.steps = state["theta"], state["steps"]
        self.history = list(state["history"])


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Return the study; nothing has to be prepared in `folder`."""
    return TaskStudy(
        train=Deceptive,
        space=SPACE,
        metric="objective",
        mode="max",
        population=POPULATION,
        intervals=INTERVALS,
        interval_steps=INTERVAL_STEPS,
        algorithm=algorithm(settings.factor),
        about=("maximise 1.2 - theta^2; lowering h early pays at once and costs later: random search beats plain PBT here",),
    )
