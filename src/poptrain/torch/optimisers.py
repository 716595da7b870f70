"""The optimisers of torch over stacked parameters, with settings that may differ from member to member.

Each is equal to its namesake in `torch.optim`, member by member. A setting is a number, the name of a hyperparameter, or a
function of all hyperparameters and the step's number, both with a leading axis of rows: a schedule of steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatch

import torch

from poptrain.core.errors import ConfigError
from poptrain.torch.hyperparameters import Hyperparameters, Setting, resolve
from poptrain.torch.layout import Layout
from poptrain.torch.stack import Stack

__all__ = ["SGD", "Adam", "AdamW", "Optimiser", "RMSprop", "Update"]

_PLAIN = ("exempt", "nesterov")
"""Fields that are no settings."""

_CLIP_EPSILON = 1e-6
"""As in torch.nn.utils.clip_grad_norm_."""

Value = float | torch.Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """What one update of all rows works on; the tensors are changed in place.

    Args:
        parameters, gradient: shape (rows, parameters).
        moments: by name, of the same shape.
        count: number of this update in each row's life, from 1, shape (rows, 1), float64.
        values: the settings by field; a number, or a tensor of shape (rows, 1).
        decayed: 1 where weight decay and the L1 penalty act and 0 elsewhere, shape (parameters,); None for everywhere.
        work: free for anything, shape (rows, parameters).
    """

    parameters: torch.Tensor
    gradient: torch.Tensor
    moments: Mapping[str, torch.Tensor]
    count: torch.Tensor
    values: Mapping[str, Value]
    decayed: torch.Tensor | None
    work: torch.Tensor

    def off(self, name: str) -> bool:
        """Whether a setting is zero for good."""
        value = self.values[name]
        return not isinstance(value, torch.Tensor) and value == 0

    def times_decayed(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor, zero where nothing decays."""
        return tensor if self.decayed is None else tensor * self.decayed


@dataclass(frozen=True, kw_only=True)
class Optimiser(ABC):
    """Settings that all optimisers have.

    Args:
        lr: learning rate, >= 0.
        weight_decay: factor of the squared-norm penalty, >= 0.
        l1: factor of the penalty on absolute values (its subgradient is added to the gradient), >= 0.
        clip_norm: largest norm of a member's whole gradient, > 0; None for no limit.
        exempt: patterns of parameter names that neither weight decay nor `l1` acts on, such as "*.bias".
    """

    lr: Setting
    weight_decay: Setting = 0.0
    l1: Setting = 0.0
    clip_norm: Setting | None = None
    exempt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in self.settings().items():
            if isinstance(value, (int, float)) and value < 0:
                raise ConfigError(f"{name} must be at least 0, got {value}")

    def settings(self) -> dict[str, Setting]:
        """Return all settings by field, those that are off left out."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _PLAIN}
        return {name: value for name, value in found.items() if value is not None}

    @property
    @abstractmethod
    def moments(self) -> tuple[str, ...]:
        """Names of what is kept for each parameter from update to update."""

    @abstractmethod
    def step(self, update: Update) -> None:
        """Update all rows from their gradients."""

    def _penalise(self, update: Update, *, decay: bool) -> None:
        """Add the penalties' gradients to the gradient."""
        if not update.off("l1"):
            update.gradient.add_(update.times_decayed(update.parameters.sign() * update.values["l1"]))
        if decay and not update.off("weight_decay"):
            update.gradient.add_(update.times_decayed(update.parameters * update.values["weight_decay"]))


@dataclass(frozen=True, kw_only=True)
class SGD(Optimiser):
    """Stochastic gradient descent.

    Args:
        momentum: factor of the moving sum of gradients, 0 <= momentum < 1.
        nesterov: whether to look ahead along it.
    """

    momentum: Setting = 0.0
    nesterov: bool = False

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of what is kept for each parameter."""
        return () if self.momentum == 0 else ("momentum_buffer",)

    def step(self, update: Update) -> None:
        """Update all rows from their gradients."""
        self._penalise(update, decay=True)
        direction, lr = update.gradient, update.values["lr"]
        if not update.off("momentum"):
            momentum = update.values["momentum"]
            buffer = update.moments["momentum_buffer"].mul_(momentum).add_(update.gradient)
            direction = update.gradient.add_(buffer * momentum) if self.nesterov else buffer
        update.parameters.sub_(torch.mul(direction, lr, out=update.work))


@dataclass(frozen=True, kw_only=True)
class Adam(Optimiser):
    """Adam (Kingma and Ba 2015), with weight decay as part of the gradient.

    Args:
        beta1, beta2: decay of the moving averages of the gradient and of its square, 0 <= beta < 1.
        eps: added to the denominator.
    """

    beta1: Setting = 0.9
    beta2: Setting = 0.999
    eps: Setting = 1e-8

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of what is kept for each parameter."""
        return ("exp_avg", "exp_avg_sq")

    def step(self, update: Update) -> None:
        """Update all rows from their gradients."""
        self._penalise(update, decay=True)
        self._adam(update)

    def _adam(self, update: Update) -> None:
        gradient, values, work = update.gradient, update.values, update.work
        first, second = update.moments["exp_avg"], update.moments["exp_avg_sq"]
        beta1, beta2 = values["beta1"], values["beta2"]
        dtype = first.dtype
        torch.sub(gradient, first, out=work)
        first.add_(work.mul_(1 - beta1))
        torch.mul(gradient, gradient, out=work)
        second.mul_(beta2).add_(work.mul_(1 - beta2))
        correction1, correction2 = 1 - beta1**update.count, 1 - beta2**update.count
        torch.sqrt(second, out=work)
        work.div_(correction2.sqrt().to(dtype)).add_(values["eps"])
        torch.div(first, work, out=work)
        update.parameters.sub_(work.mul_((values["lr"] / correction1).to(dtype)))


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    weight_decay: Setting = 1e-2

    def step(self, update: Update) -> None:
        """Update all rows from their gradients."""
        self._penalise(update, decay=False)
        if not update.off("weight_decay"):
            rate = update.values["lr"] * update.values["weight_decay"]
            update.parameters.sub_(update.times_decayed(update.parameters * rate))
        self._adam(update)


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimiser):
    """RMSprop (Hinton 2012).

    Args:
        alpha: decay of the moving average of the squared gradient, 0 <= alpha < 1.
        eps: added to the denominator.
        momentum: factor of the moving sum of updates, 0 <= momentum < 1.
    """

    alpha: Setting = 0.99
    eps: Setting = 1e-8
    momentum: Setting = 0.0

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of what is kept for each parameter."""
        return ("square_avg",) if self.momentum == 0 else ("square_avg", "momentum_buffer")

    def step(self, update: Update) -> None:
        """Update all rows from their gradients."""
        self._penalise(update, decay=True)
        gradient, values, work = update.gradient, update.values, update.work
        square, alpha = update.moments["square_avg"], update.values["alpha"]
        torch.mul(gradient, gradient, out=work)
        square.mul_(alpha).add_(work.mul_(1 - alpha))
        torch.sqrt(square, out=work)
        torch.div(gradient, work.add_(values["eps"]), out=work)
        direction = work
        if not update.off("momentum"):
            direction = update.moments["momentum_buffer"].mul_(values["momentum"]).add_(work)
        update.parameters.sub_(torch.mul(direction, values["lr"], out=work))


class BoundOptimiser:
    """An optimiser at work on a stack that was made with its moments.

    Args:
        optimiser: what to do.
        stack: what to do it to.
    """

    def __init__(self, optimiser: Optimiser, stack: Stack) -> None:
        self._optimiser = optimiser
        self._stack = stack
        self._decayed = _decayed(optimiser.exempt, stack.rows.layout).to(stack.device) if optimiser.exempt else None
        self._work = torch.empty_like(stack.gradient)

    @torch.no_grad()
    def update(self, h: Hyperparameters, step: torch.Tensor) -> None:
        """Update all rows from the stack's gradient.

        Args:
            h: the hyperparameters.
            step: number of the step in each member's life, from 0, shape (rows,).
        """
        stack = self._stack
        values = {name: resolve(setting, h, step) for name, setting in self._optimiser.settings().items()}
        if "clip_norm" in values:
            self._clip(values["clip_norm"])
        stack.rows.steps.add_(1)
        count = stack.rows.steps.to(device=stack.device, dtype=torch.float64).unsqueeze(1)
        work = Update(
            parameters=stack.rows.parameters,
            gradient=stack.gradient,
            moments=stack.rows.moments,
            count=count,
            values=values,
            decayed=self._decayed,
            work=self._work,
        )
        self._optimiser.step(work)

    def _clip(self, largest: Value) -> None:
        gradient = self._stack.gradient
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient.mul_((largest / (norm + _CLIP_EPSILON)).clamp(max=1.0))


def _decayed(exempt: tuple[str, ...], layout: Layout) -> torch.Tensor:
    """Return 1 for every trained parameter that may decay, else 0; shape (parameters,).

    Raises:
        ConfigError: a pattern fits no parameter.
    """
    for pattern in exempt:
        if not any(fnmatch(name, pattern) for name in layout.trained):
            raise ConfigError(f"exempt: {pattern!r} fits no parameter; they are called {', '.join(layout.trained)}")
    mask = torch.ones(layout.parameters, dtype=layout.dtype)
    for name in layout.trained:
        if any(fnmatch(name, pattern) for pattern in exempt):
            mask[layout.slots[name].begin : layout.slots[name].end] = 0
    return mask
