"""The shipped contract test passes on sound code, and finds each of the classical faults."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from toys import Walker, walk, walk_functional

from poptrain.space import Float
from poptrain.testing import TrainableContract
from poptrain.trainable import Member


class TestClassForm(TrainableContract):
    train: ClassVar[Any] = Walker
    space: ClassVar[dict[str, Any]] = {"pace": Float(0.1, 2.0)}
    metric = "score"


class TestLoopForm(TestClassForm):
    train = staticmethod(walk)


class TestFunctionalForm(TestClassForm):
    train = staticmethod(walk_functional)


def torch_loop(member: Member) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1))
    opt = torch.optim.AdamW(net.parameters())
    member.register(net=net, opt=opt)
    member.bind(opt, lr="lr")
    member.bind(net[1], p="dropout")
    for interval in member.intervals():
        for _ in range(interval.steps):
            x = torch.randn(16, 4)
            opt.zero_grad()
            (net(x) - x.sum(1, keepdim=True)).square().mean().backward()
            opt.step()
        with torch.no_grad():
            member.report(loss=net.eval()(torch.ones(1, 4)).item())
        net.train()


class TestTorchLoop(TrainableContract):
    train = staticmethod(torch_loop)
    space: ClassVar[dict[str, Any]] = {"lr": Float(1e-4, 1e-1, log=True), "dropout": Float(0.0, 0.5)}
    metric = "loss"
    steps = 3


class Forgetful(Walker):
    """Momentum that is not in the state."""

    momentum: float = 0.0

    def step(self, steps: int) -> None:
        self.momentum += 1.0
        super().step(steps)
        self.position = self.position + self.momentum


class Unseeded(Walker):
    """A generator of its own, seeded by nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng()

    def step(self, steps: int) -> None:
        super().step(steps)
        self.position = self.position + self.rng.random() * self.pace


class Aliasing(Walker):
    """Keeps and changes the arrays that it is given to load."""

    def step(self, steps: int) -> None:
        self.position += self.pace * random.random()
        self.steps += steps

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position, self.steps = state["position"], state["steps"]


class Restless(Walker):
    """Evaluation that trains."""

    def evaluate(self) -> float:
        self.ticks = getattr(self, "ticks", 0) + 1
        return super().evaluate() + self.ticks


def violated(code: type) -> set[str]:
    case: Any = type("Case", (TestClassForm,), {"train": code})()
    failed = set()
    for name in dir(case):
        if name.startswith("test_"):
            try:
                getattr(case, name)()
            except AssertionError:
                failed.add(name)
    return failed


@pytest.mark.parametrize(
    ("code", "finder"),
    [
        (Forgetful, "test_save_load_step_equals_straight_step"),
        (Forgetful, "test_sharing_one_body_changes_nothing"),
        (Unseeded, "test_an_interval_is_a_function_of_state_hyperparameters_and_seed"),
        (Restless, "test_save_load_step_equals_straight_step"),
    ],
)
def test_the_contract_finds_the_fault(code: type, finder: str) -> None:
    assert finder in violated(code)


def test_keeping_the_arrays_of_a_load_is_allowed() -> None:
    assert violated(Aliasing) == set()
