"""Losses and scores that know how to look at all members at once; a function of one member does as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from poptrain.torch.hyperparameters import Hyperparameters, Setting, resolve
from poptrain.torch.stack import Batch, MemberFunction, Stack

__all__ = [
    "Accuracy",
    "CrossEntropy",
    "EachRow",
    "Loss",
    "MeanSquaredError",
    "Score",
    "cross_entropy",
    "losses_of",
    "scores_of",
]


@runtime_checkable
class Loss(Protocol):
    """A loss of all members at once."""

    def stacked(self, stack: Stack, batch: Batch, h: Hyperparameters, step: torch.Tensor) -> torch.Tensor:
        """Return every row's loss, shape (rows,); tensors of the batch have a leading axis of rows."""
        ...


@runtime_checkable
class Score(Protocol):
    """A score of all members at once."""

    def scores(self, stack: Stack) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return every row's score, or scores by name, shape (rows,); called without gradients, in evaluation mode."""
        ...


MemberScore = Callable[[Any], Any]
"""From one member's network to a number (a tensor of shape ()), or numbers by name."""


def scores_of(score: Score | MemberScore, stack: Stack) -> torch.Tensor | dict[str, torch.Tensor]:
    """Return every row's score, or scores by name, shape (rows,)."""
    if isinstance(score, Score):
        return score.scores(stack)
    found: torch.Tensor | dict[str, torch.Tensor] = stack.call(
        lambda net, batch, h: score(net), (), Hyperparameters({}, stack.device)
    )
    return found


def losses_of(loss: Loss | MemberFunction, stack: Stack, batch: Batch, h: Hyperparameters, step: torch.Tensor) -> torch.Tensor:
    """Return every row's loss, shape (rows,)."""
    if isinstance(loss, Loss):
        return loss.stacked(stack, batch, h, step)
    found: torch.Tensor = stack.call(loss, batch, h)
    return found


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Cross entropy of a batch (inputs, classes): scores of shape (batch, classes), or (batch, ..., classes).

    Args:
        label_smoothing: share of the target that is spread over all classes (Szegedy et al. 2016), from 0 to 1.
        ignore: class that does not count; None for none. The mean is over those that do.
    """

    label_smoothing: Setting = 0.0
    ignore: int | None = None

    def stacked(self, stack: Stack, batch: Batch, h: Hyperparameters, step: torch.Tensor) -> torch.Tensor:
        """Return every row's mean cross entropy, shape (rows,)."""
        inputs, classes = batch
        smoothing = resolve(self.label_smoothing, h, step)
        return cross_entropy(stack.forward(inputs), classes, smoothing, self.ignore)


def cross_entropy(
    scores: torch.Tensor, classes: torch.Tensor, smoothing: float | torch.Tensor, ignore: int | None = None
) -> torch.Tensor:
    """Return every row's mean cross entropy.

    Args:
        scores: shape (rows, ..., classes).
        classes: shape (rows, ...).
        smoothing: label smoothing; a tensor has shape (rows, 1).
        ignore: class that does not count.
    """
    rows, kinds = scores.shape[0], scores.shape[-1]
    flat = classes.reshape(-1)
    missing = -100 if ignore is None else ignore
    each = F.cross_entropy(scores.reshape(-1, kinds), flat, reduction="none", ignore_index=missing).view(rows, -1)
    if isinstance(smoothing, torch.Tensor) or smoothing:
        spread = -scores.log_softmax(-1).mean(-1).reshape(rows, -1)
        spread = spread if ignore is None else spread.masked_fill((flat == missing).view(rows, -1), 0.0)
        each = each * (1 - smoothing) + spread * smoothing
    if ignore is None:
        return each.mean(1)
    return each.sum(1) / (flat != missing).view(rows, -1).sum(1).clamp(min=1)


@dataclass(frozen=True, slots=True)
class MeanSquaredError:
    """Mean squared difference of outputs and targets, for a batch (inputs, targets)."""

    def stacked(self, stack: Stack, batch: Batch, h: Hyperparameters, step: torch.Tensor) -> torch.Tensor:
        """Return every row's mean squared error, shape (rows,)."""
        inputs, targets = batch
        return (stack.forward(inputs) - targets).square().flatten(1).mean(1)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of examples whose highest score is their class, on the same examples for every member.

    Args:
        inputs: shape (examples, ...).
        classes: shape (examples,).
        batch_size: examples at a time.
    """

    inputs: torch.Tensor
    classes: torch.Tensor
    batch_size: int = 1024

    def scores(self, stack: Stack) -> torch.Tensor:
        """Return every row's accuracy, shape (rows,), from 0 to 1."""
        rows = stack.rows.rows
        right = torch.zeros(rows, dtype=torch.int64, device=stack.device)
        for begin in range(0, len(self.inputs), self.batch_size):
            inputs = self.inputs[begin : begin + self.batch_size].to(stack.device)
            classes = self.classes[begin : begin + self.batch_size].to(stack.device)
            outputs = stack.forward(inputs.expand(rows, *inputs.shape))
            right += (outputs.argmax(-1) == classes).flatten(1).sum(1)
        return right / self.classes.numel()


@dataclass(frozen=True, slots=True)
class EachRow:
    """A score that needs an ordinary network: a translation, an episode. Asked for one member after another.

    Args:
        function: from a network in evaluation mode to a number, or to numbers by name.
    """

    function: Callable[[nn.Module], float | Mapping[str, float]]

    def scores(self, stack: Stack) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return what the function returns for every row, shape (rows,)."""
        found = [self.function(stack.one(row)) for row in range(stack.rows.rows)]
        if isinstance(found[0], Mapping):
            return {name: torch.tensor([float(one[name]) for one in found]) for name in found[0]}  # type: ignore[index]
        return torch.tensor([float(one) for one in found])  # type: ignore[arg-type]
