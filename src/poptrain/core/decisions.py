"""What an algorithm answers: carry on, become a copy, begin anew, or end the study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from poptrain.core.values import Hparams

__all__ = ["Continue", "Decision", "Replace", "Restart", "Stop"]


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
        donor: whose state is copied; equal to `member` where only its own hyperparameters change, or where it goes back to an
            earlier state of its own.
        donor_interval: the donor's completed intervals at the state that is copied: as many as it last reported for the state
            that it has now, or fewer for an earlier one, which the algorithm must have kept (`Algorithm.keeps`).
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
class Restart:
    """The member forgets its state and begins anew from freshly initialised weights.

    It keeps its number of completed intervals, and so its place in the budget. The new weights are drawn under a key of their
    own, so that they are neither its first ones nor those of another restart.

    Args:
        member: who begins anew.
        hparams: the member's hyperparameters from now on.
        because: the reason in words and numbers.
    """

    member: int
    hparams: Hparams
    because: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The study ends here for everybody."""

    because: str


Decision: TypeAlias = Continue | Replace | Restart | Stop
