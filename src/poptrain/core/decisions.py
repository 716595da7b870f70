"""What an algorithm answers: carry on, become a copy of another member, or end the study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from poptrain.core.values import Hparams

__all__ = ["Continue", "Decision", "Replace", "Stop"]


@dataclass(frozen=True, slots=True)
class Continue:
    """The member trains on with the weights and hyperparameters it has."""

    member: int
    because: str


@dataclass(frozen=True, slots=True)
class Replace:
    """The member goes on from another one's weights, with changed hyperparameters, or both.

    Args:
        member: who is replaced.
        donor: whose state is copied; equal to `member` where only its own hyperparameters change.
        donor_interval: the donor's completed intervals at the state that is copied.
        hparams: the member's hyperparameters from now on.
        weights: whether the donor's state is copied; False leaves the member's own state in place.
        because: the reason in words and numbers.
    """

    member: int
    donor: int
    donor_interval: int
    hparams: Hparams
    weights: bool
    because: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The study ends here for everybody."""

    because: str


Decision: TypeAlias = Continue | Replace | Stop
