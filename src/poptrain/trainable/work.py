"""The orders that training code is given and the outcomes that come back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from poptrain.core.values import Hparams

__all__ = ["Broke", "Done", "Lost", "Order", "Outcome", "SaveFailed", "Saved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One interval of one member.

    Args:
        member: who trains.
        interval: intervals completed before this one, >= 0.
        steps: steps to train, >= 1.
        start: number of the first of these steps, counted over the member's life, >= 0.
        hparams: hyperparameters of the interval.
        seed: random state of the interval.
        init_seed: random state under which the member's first state is made, should it have none.
        epoch: number of times the study has gone back to a commit; outcomes of an earlier epoch are void.
        save_to: file to write the state to as soon as the interval ends; empty for none.
    """

    member: int
    interval: int
    steps: int
    start: int
    hparams: Hparams
    seed: int
    init_seed: int
    epoch: int = 0
    save_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A member completed its interval; `interval` counts it, so it is >= 1."""

    member: int
    interval: int
    epoch: int
    metrics: dict[str, float]
    began: float = 0.0
    ended: float = 0.0
    evaluate_seconds: float = 0.0
    worker: int = 0
    saved: int = -1  # bytes written to the order's save_to; -1 where nothing was
    remarks: list[str] = field(default_factory=list)  # of the training code's form; see PopulationTrainable.remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Broke:
    """The user's code, or a check of it, raised; `error` is the exception class's name.

    Args:
        contract: whether the code broke a rule of this project, so that `error` names one of its exceptions: a fault of the
            code, never of one member's training.
    """

    member: int
    interval: int
    epoch: int
    error: str
    message: str
    traceback: str
    worker: int = 0
    contract: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A state was written to `path` (not yet synced to the disk)."""

    member: int
    path: str
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveFailed:
    """A state could not be written to, or read from, `path`.

    Args:
        full: whether the disk has no room.
        refused: whether the state holds something that no file can hold.
    """

    member: int
    path: str
    message: str
    full: bool
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker is gone, with the states of its members; `running` was training on it (-1: nobody).

    Args:
        files: those that it was asked to write and never will.
        together: (member, interval) of all that were training with `running` as one computation.
    """

    worker: int
    members: list[int] = field(default_factory=list)
    running: int = -1
    interval: int = -1
    reason: str = "lost"  # lost | stuck
    detail: str = ""
    files: list[str] = field(default_factory=list)
    together: list[tuple[int, int]] = field(default_factory=list)


Outcome: TypeAlias = Done | Broke | Saved | SaveFailed | Lost
