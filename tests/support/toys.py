"""Tiny training code for the tests, in both forms; the arithmetic is exact enough to compare bits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from poptrain.trainable import Member


class Walker:
    """A class-form trainable: a noisy walk whose pace is the hyperparameter `pace`."""

    def __init__(self) -> None:
        self.position = np.array([random.random(), np.random.random()])
        self.pace = 0.0
        self.steps = 0

    def configure(self, hparams: Mapping[str, Any]) -> None:
        self.pace = float(hparams["pace"])

    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.position = self.position + self.pace * np.array([random.random(), np.random.random()])
            self.steps += 1

    def evaluate(self) -> float:
        return float(self.position.sum())

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"].copy()
        self.steps = state["steps"]


class Box:
    """A registered object for the loop form."""

    def __init__(self, value: np.ndarray[Any, Any]) -> None:
        self.value = value

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value = state["value"].copy()


def walk(member: Member) -> None:
    """The same walk in the loop form, with a registered object."""
    box = Box(np.array([random.random(), np.random.random()]))
    member.register(box=box)
    for interval in member.intervals():
        pace = float(member["pace"])  # type: ignore[arg-type]
        for _ in range(interval.steps):
            box.value = box.value + pace * np.array([random.random(), np.random.random()])
        member.report(score=float(box.value.sum()))


def walk_functional(member: Member) -> None:
    """The same walk with its state as a value."""
    first = np.array([random.random(), np.random.random()])
    for interval in member.intervals():
        value = member.restore(first)
        pace = float(member["pace"])  # type: ignore[arg-type]
        for _ in range(interval.steps):
            value = value + pace * np.array([random.random(), np.random.random()])
        member.report(float(value.sum()), state=value)
