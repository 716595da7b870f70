"""A population form without torch: rows climb, each under its own generator; and a loop form that does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import poptrain as pt

SPACE = {"pace": pt.Float(0.01, 1.0, log=True), "noise": pt.Float(0.0, 0.5)}
SHAPED = {**SPACE, "size": pt.Choice([2, 3], structural=True)}


class Flock(pt.PopulationTrainable):
    """Positions of shape (rows, size)."""

    def __init__(self, block: pt.Block) -> None:
        size = int(block.structure.get("size", 2))  # type: ignore[arg-type]
        self.position = np.stack([np.random.default_rng(seed).random(size) for seed in block.seeds])
        self.pace = self.noise = np.zeros(block.rows)

    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        self.pace, self.noise = hparams["pace"], hparams["noise"]

    def step(self, interval: pt.PopulationInterval) -> None:
        size = self.position.shape[1]
        draws = np.stack([np.random.default_rng(seed).random((interval.steps, size)) for seed in interval.seeds])
        for step in range(interval.steps):
            self.position += self.pace[:, None] * (draws[:, step] - self.noise[:, None])

    def evaluate(self) -> NDArray[Any]:
        return np.asarray(self.position.mean(axis=1))

    def copy(self, donors: Sequence[int], recipients: Sequence[int]) -> None:
        self.position[list(recipients)] = self.position[list(donors)]

    def state_dict(self, row: int) -> Any:
        return {"position": self.position[row]}

    def load_state_dict(self, row: int, state: Any) -> None:
        self.position[row] = state["position"]

    def effective(self) -> dict[str, NDArray[Any]]:
        return {"pace": self.pace, "noise": self.noise}


class Stuck(Flock):
    """Does not notice new hyperparameters."""

    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        if not self.pace.any():
            super().configure(hparams)
        hparams["pace"], hparams["noise"]


class Deaf(Flock):
    """Never looks at one of its hyperparameters."""

    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        self.pace = hparams["pace"]

    def effective(self) -> dict[str, NDArray[Any]]:
        return {}


class Forgetful(Flock):
    """Keeps something back that the next step depends on."""

    def __init__(self, block: pt.Block) -> None:
        super().__init__(block)
        self.extra = np.zeros(block.rows)

    def step(self, interval: pt.PopulationInterval) -> None:
        super().step(interval)
        self.extra += self.pace
        self.position += self.extra[:, None]


class Falls(Flock):
    """Raises in its second interval."""

    def step(self, interval: pt.PopulationInterval) -> None:
        if interval.starts[0] > 0:
            raise ValueError("the flock fell")
        super().step(interval)


class Short(Flock):
    """Returns too few scores."""

    def evaluate(self) -> NDArray[Any]:
        return np.asarray(self.position.mean(axis=1))[:1]
