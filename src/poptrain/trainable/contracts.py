"""The contracts between poptrain and the user's training code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams
from poptrain.trainable.member import Member

__all__ = ["LoopFunction", "Stateful", "Trainable", "TrainableFactory", "UserCode", "is_class_form"]


@runtime_checkable
class Stateful(Protocol):
    """Anything with a state: modules, optimisers, schedulers, replay buffers, your own objects."""

    def state_dict(self) -> Any:
        """Return everything the next step depends on, as a tree of plain values, arrays and tensors."""
        ...

    def load_state_dict(self, state: Any, /) -> Any:
        """Take over a state that an equal object returned from `state_dict`."""
        ...


class Trainable(Protocol):
    """The class form: one member's training, driven from outside.

    The order of calls, once per interval: `load_state_dict` (only where the member's state is not already in this object),
    `configure`, `step`, `evaluate`. `state_dict` may be called between intervals. The class is constructed without
    arguments, under random states that belong to the member.

    A class may also have `effective()`, which returns the hyperparameters that are really in force, by name, read from where
    they act (an optimiser's group, a module's rate). It is compared with the study's values before and after every interval.
    """

    def configure(self, hparams: Hparams, /) -> None:
        """Put these hyperparameters into force; called before every interval, after any load."""
        ...

    def step(self, steps: int, /) -> None:
        """Train for `steps` steps (>= 1)."""
        ...

    def evaluate(self) -> float | Mapping[str, float]:
        """Return the score, or all metrics by name; must change nothing that training depends on."""
        ...

    def state_dict(self) -> Any:
        """Return everything the next step depends on."""
        ...

    def load_state_dict(self, state: Any, /) -> Any:
        """Take over a state that an equal object returned."""
        ...


LoopFunction: TypeAlias = Callable[[Member], Any]
TrainableFactory: TypeAlias = Callable[[], Trainable]
UserCode: TypeAlias = LoopFunction | type[Trainable] | Callable[..., Any]
"""Training code of any form; the population form is a class too (`poptrain.trainable.population`)."""


def is_class_form(train: UserCode) -> bool:
    """Return whether `train` is the class form: a class, or a `functools.partial` of one.

    Raises:
        ConfigError: `train` is an instance of a class of the class form, or cannot be called at all.
    """
    inner = train.func if isinstance(train, partial) else train
    if isinstance(inner, type):
        missing = [n for n in ("configure", "step", "evaluate") if not callable(getattr(inner, n, None))]
        if missing:
            raise ConfigError(
                f"a class given as training code must have configure, step, evaluate, state_dict and load_state_dict; "
                f"{inner.__name__} lacks {', '.join(missing)}: add them, or pass a function that takes a Member"
            )
        return True
    if hasattr(inner, "configure") and hasattr(inner, "step"):
        raise ConfigError(
            f"training code must be a function or a class, got an instance of {type(inner).__name__}: "
            f"pass the class itself (functools.partial binds its arguments)"
        )
    if not callable(inner):
        raise ConfigError(f"training code must be callable, got {inner!r}: pass a function or a class")
    return False
