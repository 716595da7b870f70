"""N networks of one shape as one: stacked parameters, and three ways to run them.

One row alone is run as the ordinary module it is. Several rows are run by batched operations where the network is a sequence of
known modules (`StackedSequential`), and by `torch.func.vmap` otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap

from poptrain.core.errors import ConfigError, PoptrainError
from poptrain.core.rng import seed_everything
from poptrain.torch.hyperparameters import Hyperparameters
from poptrain.torch.layout import Layout, Rows
from poptrain.torch.modules import adapt, dropout_modules, fixed_rates, set_rate, wake
from poptrain.torch.noise import Noise
from poptrain.torch.obstacles import explain
from poptrain.torch.sequential import StackedSequential

__all__ = ["Batch", "MemberFunction", "Stack"]

Batch = tuple[torch.Tensor, ...]
"""Tensors with a leading axis of rows."""

MemberFunction = Callable[[Any, Batch, Mapping[str, torch.Tensor]], Any]
"""From one member's network, its batch and its hyperparameters (tensors of shape ()) to a number or numbers by name."""


class Stack:
    """Networks of one shape, one for each row of a block.

    Args:
        make: makes a network; called once for each row, under the row's own random state.
        seeds: random state of each row's first parameters.
        moments: names of the optimiser's moments.
        device: where the rows are.

    Raises:
        ConfigError: the network has something that cannot be stacked.
    """

    def __init__(
        self, make: Callable[[], nn.Module], seeds: Sequence[int], *, moments: Sequence[str] = (), device: torch.device
    ) -> None:
        self.device = device
        self.noise = Noise(device, seeds)
        seed_everything(seeds[0])
        self.module = make()
        if not isinstance(self.module, nn.Module):
            raise ConfigError(f"net must return a torch.nn.Module, got {type(self.module).__name__}")
        self.rows = Rows(Layout(self.module, moments), len(seeds), device)
        self.rows.fill(0, self.module)
        for row in range(1, len(seeds)):
            seed_everything(seeds[row])
            self.rows.fill(row, make())
        adapt(self.module, batched=len(seeds) > 1)
        self.module.to(device)
        self._single = len(seeds) == 1
        self._sequential = None if self._single else StackedSequential.of(self.module)
        self._rates = self._fixed_rates()
        self.leaves = self._leaves()
        self._tensors = {**self.rows.tensors, **self.leaves, **self._rates}
        self.gradient = torch.zeros_like(self.rows.parameters, memory_format=torch.contiguous_format)
        """Of all trained parameters, shape (rows, parameters)."""
        self._gradients = self.rows.split(self.gradient)

    def _leaves(self) -> dict[str, torch.Tensor]:
        """Return the trained parameters of all rows, as autograd sees them."""
        trained = self.rows.layout.trained
        if not self._single:
            return {name: self.rows.tensors[name].detach().requires_grad_() for name in trained}
        found: dict[str, torch.Tensor] = {}
        owners = {name: owner for name, owner in self.module.state_dict(keep_vars=True).items() if name in self.rows.tensors}
        for name, owner in owners.items():
            owner.data = self.rows.tensors[name][0]
            if name in trained:
                found[name] = owner
        return found

    # Noise and rates.

    def _fixed_rates(self) -> dict[str, torch.Tensor]:
        """Return the rates that the network was made with, by the names of their buffers, for several rows."""
        rates = {} if self._single else fixed_rates(self.module)
        return {name: rate.expand(self.rows.rows) for name, rate in rates.items()}

    def train(self, seeds: Sequence[int]) -> None:
        """Begin to train: noise from each row's random state, dropout in force."""
        self.noise = Noise(self.device, seeds)
        self.module.train()

    def eval(self) -> None:
        """Begin to evaluate: without dropout, with the running statistics of normalisation."""
        self.module.eval()

    def set_dropout(self, rates: Mapping[str, torch.Tensor]) -> None:
        """Put rates of dropout into force; by module name, each of shape (rows,).

        Raises:
            ConfigError: there is no such module.
        """
        parts = dropout_modules(self.module)
        for name, rate in rates.items():
            if name not in parts:
                raise ConfigError(f"no module {name!r} drops anything: those that do are {', '.join(parts) or 'none'}")
            wake(parts[name])
            if self._single:
                set_rate(parts[name], rate[0])
            else:
                self._rates[f"{name}.rate" if name else "rate"] = rate
        self._tensors = {**self.rows.tensors, **self.leaves, **self._rates}

    # Running.

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the networks' outputs for inputs of shape (rows, batch, ...), with the same leading axes."""
        if self._single:
            with self._at_work():
                out: torch.Tensor = self.module(x[0])
            return out.unsqueeze(0)
        if self._sequential is not None:
            return self._sequential(x, self._tensors, self.noise)
        found: torch.Tensor = self.call(lambda net, batch, h: net(*batch), (x,), Hyperparameters({}, self.device))
        return found

    def call(self, function: MemberFunction, batch: Batch, h: Hyperparameters) -> Any:
        """Call a function for every row, as if for one network alone, and return its results with a leading axis of rows."""
        if self._single:
            with self._at_work():
                found = function(self.module, tuple(t[0] for t in batch), h.of_row(0))
            return _each(found, lambda value: torch.as_tensor(value).unsqueeze(0))
        bound = _Bound(self.module, function)
        values, read = h.everything(), h.note

        def one(tensors: dict[str, torch.Tensor], batch: Batch, values: dict[str, torch.Tensor]) -> Any:
            given = {f"net.{name}": tensor for name, tensor in tensors.items()}
            return functional_call(bound, given, (batch, _Noted(values, read)))

        def together() -> Any:
            return vmap(one, randomness="error")(self._tensors, batch, values)

        def alone() -> Any:
            return one(*_first((self._tensors, batch, values)))

        with self._at_work():
            try:
                return together()
            except PoptrainError:
                raise
            except Exception as error:
                raise explain(error, self.module, together, alone) from error

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Noise of the rows' own; attention written out, since its fused kernel cannot be batched."""
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(value=False)
        try:
            with self.noise.active():
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(value=before)

    def one(self, row: int) -> nn.Module:
        """Return an ordinary module with the parameters of a row, for looking at; the row does not change with it."""
        if self._single:
            return self.module
        state = self.rows.state(row)["net"]
        for name, tensor in self.module.state_dict(keep_vars=True).items():
            tensor.data = state[name].clone()
        for name, part in dropout_modules(self.module).items():
            rate = self._rates.get(f"{name}.rate" if name else "rate")
            if rate is not None:
                set_rate(part, rate[row])
        return self.module

    # Gradients.

    def backward(self, losses: torch.Tensor, *, add: bool = False, scale: float = 1.0) -> None:
        """Compute every row's gradient of its own loss.

        Args:
            losses: shape (rows,).
            add: whether to add to the gradient instead of replacing it.
            scale: factor of what is stored.

        Raises:
            ConfigError: the losses do not have one number for each row.
        """
        if losses.shape != (self.rows.rows,):
            shape = tuple(losses.shape[1:])
            raise ConfigError(f"the loss of a member must be one number, got shape {shape}: take its mean over the batch")
        total = losses.sum() if scale == 1.0 else losses.sum() * scale
        if self._single:
            self._backward_alone(total, add=add)
            return
        found = torch.autograd.grad(total, list(self.leaves.values()), allow_unused=True)
        for name, gradient in zip(self.leaves, found, strict=True):
            view = self._gradients[name]
            if gradient is None:
                view.mul_(1.0 if add else 0.0)
            elif add:
                view.add_(gradient)
            else:
                view.copy_(gradient)

    def _backward_alone(self, total: torch.Tensor, *, add: bool) -> None:
        """Let torch write into the gradient as it does for any network, for what can only do that."""
        if not add:
            self.gradient.zero_()
        for name, leaf in self.leaves.items():
            leaf.grad = self._gradients[name][0]
        total.backward()  # type: ignore[no-untyped-call]


class _Bound(nn.Module):
    """A function with its network, so that `functional_call` can put a member's tensors inside while it runs."""

    def __init__(self, net: nn.Module, function: MemberFunction) -> None:
        super().__init__()
        self.net = net
        self._function = function

    def forward(self, batch: Batch, h: Mapping[str, torch.Tensor]) -> Any:
        return self._function(self.net, batch, h)


class _Noted(Mapping[str, torch.Tensor]):
    """A member's hyperparameters; says which were read."""

    def __init__(self, values: Mapping[str, torch.Tensor], read: Callable[[str], None]) -> None:
        self._values = values
        self._read = read

    def __getitem__(self, name: str) -> torch.Tensor:
        self._read(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _first(trees: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the first row of all tensors of several mappings or tuples."""
    return tuple(_each(tree, lambda tensor: tensor[0]) for tree in trees)


def _each(found: Any, change: Callable[[Any], torch.Tensor]) -> Any:
    """Change a value, or each value of a mapping or sequence."""
    if isinstance(found, Mapping):
        return {name: change(value) for name, value in found.items()}
    if isinstance(found, (tuple, list)):
        return type(found)(change(value) for value in found)
    return change(found)
