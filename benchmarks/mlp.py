"""The network among the workloads: 64-128-10 on scikit-learn's digits, twenty Adam steps of batch 64 an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

import poptrain as pt


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return inputs and labels to train on, then to validate on."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    inputs = torch.tensor(x[order] / 16.0, dtype=torch.float32)
    labels = torch.tensor(y[order])
    return inputs[:1400], labels[:1400], inputs[1400:], labels[1400:]


X, Y, VALID_X, VALID_Y = digits()


class Mlp:
    """A small classifier, whose interval takes about fourteen milliseconds."""

    SPACE = {
        "lr": pt.Float(1e-4, 1e-1, log=True),
        "weight_decay": pt.Float(1e-6, 1e-2, log=True),
        "dropout": pt.Float(0.0, 0.6),
    }

    def __init__(self) -> None:
        self.drop = torch.nn.Dropout()
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), self.drop, torch.nn.Linear(128, 10))
        self.opt = torch.optim.Adam(self.net.parameters())

    def configure(self, hparams: Mapping[str, Any]) -> None:
        self.drop.p = float(hparams["dropout"])
        for group in self.opt.param_groups:
            group["lr"], group["weight_decay"] = float(hparams["lr"]), float(hparams["weight_decay"])

    def step(self, steps: int) -> None:
        self.net.train()
        for _ in range(steps):
            pick = torch.randint(len(X), (64,))
            self.opt.zero_grad()
            torch.nn.functional.cross_entropy(self.net(X[pick]), Y[pick]).backward()
            self.opt.step()

    def evaluate(self) -> float:
        self.net.eval()
        with torch.no_grad():
            return float((self.net(VALID_X).argmax(1) == VALID_Y).float().mean())

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "opt": self.opt.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.opt.load_state_dict(state["opt"])
