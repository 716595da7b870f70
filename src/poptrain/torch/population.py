"""From a network, a loss, a data source and an optimiser to the population form."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from poptrain.core.errors import ConfigError
from poptrain.torch.data import Batches, DataSource
from poptrain.torch.hyperparameters import Hyperparameters, Setting, resolve
from poptrain.torch.losses import Loss, MemberScore, Score, losses_of, scores_of
from poptrain.torch.modules import dropout_modules
from poptrain.torch.optimisers import BoundOptimiser, Optimiser
from poptrain.torch.stack import Batch, MemberFunction, Stack
from poptrain.trainable.population import Block, PopulationInterval, PopulationTrainable

__all__ = ["Recipe", "StackedPopulation", "TorchPopulation", "population"]

_SLOW = "There is a performance drop"
"""How torch begins to say that an operation is batched by a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What `population` was asked for; see there."""

    net: Callable[..., nn.Module]
    loss: Loss | MemberFunction
    data: Batches | DataSource
    optimiser: Optimiser
    evaluate: Score | MemberScore
    dropout: Setting | Mapping[str, Setting] | None = None
    augment: MemberFunction | None = None
    accumulate: int = 1
    autocast: torch.dtype | None = None
    device: str | None = None


def population(
    *,
    net: Callable[..., nn.Module],
    loss: Loss | MemberFunction,
    data: Batches | DataSource,
    optimiser: Optimiser,
    evaluate: Score | MemberScore,
    dropout: Setting | Mapping[str, Setting] | None = None,
    augment: MemberFunction | None = None,
    accumulate: int = 1,
    autocast: torch.dtype | None = None,
    device: str | None = None,
) -> partial[TorchPopulation]:
    """Return the population form of a network's training, for `tune`.

    Many members are computed at once where the executor is "vectorised"; the same code trains them one by one on "processes".

    Args:
        net: makes a network; structural hyperparameters are passed to it by the names of its parameters.
        loss: a `Loss`, or a function `loss(net, batch, h)` of one member that returns a number; `h` holds the hyperparameters
            as tensors of shape (). What it draws at random must come from `uniform_like` and `normal_like`.
        data: `Batches`, or a function from a `PopulationInterval` to an iterator of batches.
        optimiser: `SGD`, `Adam`, `AdamW` or `RMSprop` of this package.
        evaluate: a `Score`, or a function `evaluate(net)` of one member that returns its score or scores by name.
        dropout: rate of all the network's dropout (attention and recurrent layers included), or rates by the modules' names;
            None leaves them as the network was made.
        augment: function `augment(net, batch, h)` of one member, applied to each batch, which returns the changed batch.
        accumulate: batches whose gradients are averaged for one update, >= 1.
        autocast: dtype for mixed precision, such as torch.bfloat16; None for none.
        device: where to train; by default the first CUDA device there is, else the CPU.

    Raises:
        ConfigError: `accumulate` is less than 1, or `optimiser` is one of torch itself.
    """
    if accumulate < 1:
        raise ConfigError(f"accumulate must be at least 1, got {accumulate}")
    if not isinstance(optimiser, Optimiser):
        raise ConfigError(
            f"optimiser must be one of poptrain.torch (SGD, Adam, AdamW, RMSprop), which knows a learning rate for every "
            f"member, got {optimiser!r}"
        )
    recipe = Recipe(
        net=net,
        loss=loss,
        data=data,
        optimiser=optimiser,
        evaluate=evaluate,
        dropout=dropout,
        augment=augment,
        accumulate=accumulate,
        autocast=autocast,
        device=device,
    )
    return partial(TorchPopulation, recipe=recipe)


class StackedPopulation(PopulationTrainable):
    """A population whose members are the rows of one stack; what is left to do is to configure, to step and to evaluate.

    Args:
        stack: the networks, with the optimiser's moments.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._h = Hyperparameters({}, stack.device)

    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        """Keep the hyperparameters for the next interval."""
        self._h = Hyperparameters(hparams, self._stack.device)

    def copy(self, donors: Sequence[int], recipients: Sequence[int]) -> None:
        """Copy rows within the block's memory."""
        self._stack.rows.copy(donors, recipients)

    def state_dict(self, row: int) -> dict[str, Any]:
        """Return a row's network under "net", as `load_state_dict` of the network takes it, and its optimiser's moments."""
        return self._stack.rows.state(row)

    def load_state_dict(self, row: int, state: Any) -> None:
        """Let a row take over a state."""
        self._stack.rows.load(row, state)

    def effective(self) -> dict[str, list[float]]:
        """Return the hyperparameters that loss, optimiser and dropout have read."""
        return {name: self._h[name].tolist() for name in sorted(self._h.read)}


class TorchPopulation(StackedPopulation):
    """Networks of one shape, trained together.

    Args:
        block: the rows.
        recipe: how they are trained.
    """

    def __init__(self, block: Block, *, recipe: Recipe) -> None:
        self._recipe = recipe
        self._structure = dict(block.structure)
        self._device = torch.device(recipe.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        make = partial(recipe.net, **accepted(recipe.net, self._structure))
        super().__init__(Stack(make, block.seeds, moments=recipe.optimiser.moments, device=self._device))
        self._optimiser = BoundOptimiser(recipe.optimiser, self._stack)
        self._remarks: list[str] = []

    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        """Keep the hyperparameters for the next interval, and put the rates of dropout into force."""
        super().configure(hparams)
        self._set_dropout(torch.zeros(self._stack.rows.rows, dtype=torch.int64, device=self._device))

    def step(self, interval: PopulationInterval) -> None:
        """Train all rows for an interval."""
        stack, recipe = self._stack, self._recipe
        stack.train(interval.seeds)
        starts = torch.tensor(interval.starts, device=self._device)
        batches = self._batches(interval)
        scheduled = any(callable(rate) for rate in self._rates().values())
        with self._listening():
            for index in range(interval.steps):
                number = starts + index
                if scheduled:
                    self._set_dropout(number)
                for part in range(recipe.accumulate):
                    self._learn(_next(batches, interval), number, add=part > 0)
                self._optimiser.update(self._h, number)

    def _learn(self, batch: Batch, number: torch.Tensor, *, add: bool) -> None:
        recipe, stack = self._recipe, self._stack
        with self._precision():
            if recipe.augment is not None:
                batch = tuple(stack.call(recipe.augment, batch, self._h))
            losses = losses_of(recipe.loss, stack, batch, self._h, number)
        stack.backward(losses, add=add, scale=1.0 / recipe.accumulate)

    @torch.no_grad()
    def evaluate(self) -> Any:
        """Return the scores, shape (rows,), or all metrics by name."""
        self._stack.eval()
        with self._listening(), self._precision():
            found = scores_of(self._recipe.evaluate, self._stack)
        if isinstance(found, Mapping):
            return {name: value.tolist() for name, value in found.items()}
        return np.array(found.tolist())

    def remarks(self) -> list[str]:
        """Return the operations that torch batches by a loop."""
        return self._remarks

    def _batches(self, interval: PopulationInterval) -> Iterator[Batch]:
        data = self._recipe.data
        if not isinstance(data, Batches):
            return iter(data(interval))
        size = data.batch_size
        if isinstance(size, str):
            if size not in self._structure:
                raise ConfigError(
                    f"batch_size {size!r} is not a structural hyperparameter: declare it with structural=True, since members "
                    f"with different batch sizes cannot be one computation"
                )
            size = int(str(self._structure[size]))
        return data.batches(interval, batch_size=size, parts=self._recipe.accumulate, device=self._device)

    def _rates(self) -> dict[str, Setting]:
        rates = self._recipe.dropout
        if rates is None:
            return {}
        return dict(rates) if isinstance(rates, Mapping) else dict.fromkeys(dropout_modules(self._stack.module), rates)

    def _set_dropout(self, number: torch.Tensor) -> None:
        """Put the rates of a step into force.

        Raises:
            ConfigError: the network has no module that drops anything.
        """
        rates = self._rates()
        if self._recipe.dropout is not None and not rates:
            raise ConfigError("dropout is given, but the network has no dropout: add nn.Dropout modules, or leave dropout out")
        rows = number.shape
        found = {name: torch.as_tensor(resolve(rate, self._h, number), device=self._device) for name, rate in rates.items()}
        self._stack.set_dropout({name: rate.flatten().expand(rows).float() for name, rate in found.items()})

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if self._recipe.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=self._recipe.autocast)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Keep what torch says about slow operations, once each, and let other warnings pass."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("default", message=_SLOW)
            yield
        for warning in caught:
            text = str(warning.message)
            if not text.startswith(_SLOW):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
                continue
            remark = (
                f"slow: {_operation(text)} is batched by a loop over members; write it otherwise, or try executor='processes'"
            )
            if remark not in self._remarks:
                self._remarks.append(remark)


def _operation(text: str) -> str:
    """Return the operation's name from torch's warning."""
    return text.partition("batching rule for ")[2].partition(".")[0].strip() or "an operation"


def _next(batches: Iterator[Batch], interval: PopulationInterval) -> Batch:
    batch = next(batches, None)
    if batch is None:
        raise ConfigError(f"the data source ended within an interval of {interval.steps} steps: let it yield a batch for each")
    return batch if isinstance(batch, tuple) else tuple(batch)


def accepted(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that a function has parameters for."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(values)
    return {p.name: values[p.name] for p in parameters if p.name in values}
