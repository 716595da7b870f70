"""Workloads of the benchmarks, each in two dresses: a bare object for the floor, and the class form for poptrain.

toy       two numbers, four gradient steps an interval: nothing but overhead
mlp       64-128-10 network on scikit-learn's digits, twenty Adam steps of batch 64 an interval
payload   a float32 array of some megabytes that changes completely; 50 ms of CPU time an interval
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

import poptrain as pt


class Toy:
    """Figure 2 of the 2017 paper: ascent on a surrogate of 1.2 - |theta|^2."""

    SPACE = {"h0": pt.Float(0.0, 1.0), "h1": pt.Float(0.0, 1.0)}

    def __init__(self) -> None:
        self.theta, self.h = [0.9, 0.9], (0.5, 0.5)

    def configure(self, hparams: Mapping[str, Any]) -> None:
        self.h = (float(hparams["h0"]), float(hparams["h1"]))

    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.theta = [t - 0.02 * h * t for t, h in zip(self.theta, self.h, strict=True)]

    def evaluate(self) -> float:
        return 1.2 - sum(t * t for t in self.theta)

    def state_dict(self) -> dict[str, Any]:
        return {"theta": list(self.theta)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.theta = list(state["theta"])


class Payload:
    """A big state with little to do: shows what moving states costs."""

    SPACE = {"rate": pt.Float(0.0, 1.0)}
    MEGABYTES = 100
    BUSY_SECONDS = 0.05

    def __init__(self) -> None:
        self.tensor = np.random.default_rng(0).random(self.MEGABYTES * 250_000, dtype=np.float32)
        self.quality, self.rate = 0.0, 0.5

    def configure(self, hparams: Mapping[str, Any]) -> None:
        self.rate = float(hparams["rate"])

    def step(self, steps: int) -> None:
        for _ in range(steps):
            began = time.thread_time()
            self.tensor += 1e-3
            while time.thread_time() - began < self.BUSY_SECONDS:
                pass
            self.quality += self.rate

    def evaluate(self) -> float:
        return self.quality

    def state_dict(self) -> dict[str, Any]:
        return {"quality": self.quality, "tensor": self.tensor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.quality = state["quality"]
        self.tensor[:] = state["tensor"]


class Payload10(Payload):
    """The same with ten megabytes."""

    MEGABYTES = 10


STEPS = {"toy": 4, "mlp": 20, "payload10": 1, "payload100": 1}
"""Steps of an interval, by workload."""


def workload(name: str) -> Any:
    """Return a workload's class; only the network's module loads torch."""
    if name == "mlp":
        from mlp import Mlp

        return Mlp
    return {"toy": Toy, "payload10": Payload10, "payload100": Payload}[name]


def middle(space: Mapping[str, pt.Float]) -> dict[str, Any]:
    """Return the hyperparameters in the middle of a space."""
    return {name: parameter.from_unit(0.5) for name, parameter in space.items()}
