"""Bindings: where a hyperparameter acts, so that it can be put there after every restore and read back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from poptrain.core.errors import ConfigError, HyperparameterNotApplied
from poptrain.core.values import Hparams, Value

__all__ = ["Binding", "Bindings", "Source"]

Source: TypeAlias = str | Callable[[Hparams], Any]
"""A hyperparameter's name, or a function of all hyperparameters."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One field of one object that follows one hyperparameter, or a function of them.

    Args:
        target: an optimiser (its parameter groups), a learning-rate scheduler (its base rates), a mapping (its item), or any
            object (its attribute).
        field: name of the group entry, item or attribute.
        source: the hyperparameter's name, or a function from all of them to the value.
        group: index of the one parameter group meant; None for all.
    """

    target: Any
    field: str
    source: Source
    group: int | None = None

    def value(self, hparams: Hparams) -> Any:
        """Return the value that the field must have under `hparams`."""
        return hparams[self.source] if isinstance(self.source, str) else self.source(hparams)

    def apply(self, value: Any) -> None:
        """Write `value` to where it acts."""
        if _is_scheduler(self.target):
            _rebase(self.target, float(value))
        elif _is_optimiser(self.target):
            for group in self._groups():
                _put(group, self.field, value)
                if self.field == "lr" and "initial_lr" in group:
                    group["initial_lr"] = value
        elif isinstance(self.target, MutableMapping):
            self.target[self.field] = value
        else:
            setattr(self.target, self.field, value)

    def read(self) -> list[Any]:
        """Return what is in force now, one value for each place."""
        if _is_scheduler(self.target):
            return list(self.target.base_lrs)
        if _is_optimiser(self.target):
            return [group[self.field] for group in self._groups()]
        if isinstance(self.target, MutableMapping):
            return [self.target[self.field]]
        return [getattr(self.target, self.field)]

    def label(self) -> str:
        """Return a readable name such as 'AdamW.param_groups[0].lr'."""
        where = f".param_groups[{self.group}]" if self.group is not None else ""
        return f"{type(self.target).__name__}{where}.{self.field}"

    def _groups(self) -> list[MutableMapping[str, Any]]:
        groups: list[MutableMapping[str, Any]] = self.target.param_groups
        return groups if self.group is None else [groups[self.group]]


class Bindings:
    """All bindings of one body. A class-form trainable may own one; in the loop form `Member.bind` does.

    Example:
        >>> class Layer: rate = 0.0
        >>> layer, bindings = Layer(), Bindings()
        >>> bindings.bind(layer, rate="dropout")
        >>> bindings.apply({"dropout": 0.3})
        >>> layer.rate
        0.3
    """

    def __init__(self) -> None:
        self._bindings: list[Binding] = []

    def bind(self, target: Any, /, *, group: int | None = None, **fields: Source) -> None:
        """Let fields of `target` follow hyperparameters from now on.

        Args:
            target: an optimiser, a scheduler, a mapping, any object, or a list or tuple of these.
            group: bind only this parameter group of an optimiser.
            **fields: field name = hyperparameter name, or a function from the mapping of hyperparameters to the value.

        Raises:
            ConfigError: the target has no such field, or is a parameter group on its own.
        """
        if not fields:
            raise ConfigError("bind needs at least one field, as in bind(optimiser, lr='lr')")
        targets = target if isinstance(target, (list, tuple)) else [target]
        for one in targets:
            for field, source in fields.items():
                binding = Binding(one, field, source, group)
                _check(binding)
                self._bindings.append(binding)

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._bindings)

    def __len__(self) -> int:
        return len(self._bindings)

    def names(self) -> set[str]:
        """Return the hyperparameters that are bound by name."""
        return {b.source for b in self._bindings if isinstance(b.source, str)}

    def apply(self, hparams: Hparams) -> None:
        """Write all values to where they act, and read them back.

        Raises:
            HyperparameterNotApplied: a field kept another value than it was given.
        """
        for binding in self._bindings:
            binding.apply(binding.value(hparams))
        self.check(hparams, "right after it was set")

    def check(self, hparams: Hparams, when: str) -> None:
        """Raise HyperparameterNotApplied if a field holds anything but its hyperparameter's value."""
        for binding in self._bindings:
            want = binding.value(hparams)
            for found in binding.read():
                if not _same(found, want):
                    raise HyperparameterNotApplied(_complaint(binding, want, found, when))

    def effective(self) -> dict[str, Value]:
        """Return the values in force of everything bound by name (the first place of each)."""
        found = {b.source: b.read()[0] for b in self._bindings if isinstance(b.source, str)}
        return {name: value.item() if hasattr(value, "item") else value for name, value in found.items()}


def _complaint(binding: Binding, want: Any, found: Any, when: str) -> str:
    source = binding.source if isinstance(binding.source, str) else "a function of the hyperparameters"
    remedy = "make sure nothing else writes to it"
    if _is_optimiser(binding.target) and binding.field == "lr":
        remedy = "a learning-rate scheduler that changes it must be the one that is bound: member.bind(scheduler, lr=...)"
    return (
        f"{binding.label()} must follow {source!r} = {want!r}, but {when} it is {found!r}: {remedy}, "
        f"and that load_state_dict or a later call does not bring an old value back"
    )


def _check(binding: Binding) -> None:
    target, field = binding.target, binding.field
    if _is_scheduler(target):
        if field != "lr":
            raise ConfigError(f"a scheduler can be bound by 'lr' only (its base rates), got {field!r}")
        return
    if _is_optimiser(target):
        known = set(target.param_groups[0])
        if field not in known:
            names = ", ".join(sorted(known - {"params"}))
            raise ConfigError(f"{type(target).__name__} has no {field!r} in its parameter groups: they have {names}")
        return
    if isinstance(target, MutableMapping):
        if "params" in target:
            # An optimiser's load_state_dict replaces its group dictionaries: a binding to one would write into thin air.
            raise ConfigError("bind the optimiser itself, with group=INDEX, not one of its parameter groups")
        if field not in target:
            raise ConfigError(f"the mapping has no item {field!r}: it has {', '.join(map(str, target))}")
        return
    if not hasattr(target, field):
        raise ConfigError(f"{type(target).__name__} has no attribute {field!r} that could follow a hyperparameter")


def _is_optimiser(target: Any) -> bool:
    return isinstance(getattr(target, "param_groups", None), Sequence)


def _is_scheduler(target: Any) -> bool:
    return hasattr(target, "base_lrs") and hasattr(target, "optimizer")


def _put(group: MutableMapping[str, Any], field: str, value: Any) -> None:
    """Set a group's entry; a tensor (capturable optimisers) is filled in place, so that captured graphs see it."""
    current = group[field]
    if hasattr(current, "fill_"):
        current.fill_(value)
    else:
        group[field] = value


def _rebase(scheduler: Any, rate: float) -> None:
    """Give a scheduler a new base rate and scale the rate in force by the same factor, wherever it is in its course."""
    groups = scheduler.optimizer.param_groups
    for group, old in zip(groups, scheduler.base_lrs, strict=True):
        factor = rate / old if old else 1.0
        _put(group, "lr", float(group["lr"]) * factor)
        group["initial_lr"] = rate
    scheduler.base_lrs = [rate] * len(groups)


def _same(found: Any, want: Any) -> bool:
    if isinstance(found, (tuple, list)) and isinstance(want, (tuple, list)):
        return len(found) == len(want) and all(map(_same, found, want))
    if hasattr(found, "item") and getattr(found, "ndim", 0) == 0:
        found = found.item()
    if isinstance(want, float) and isinstance(found, (int, float)) and not isinstance(found, bool):
        # Single precision is enough to tell a value that took effect from one that did not.
        return math.isclose(found, want, rel_tol=1e-6, abs_tol=1e-12)
    return bool(found == want)
