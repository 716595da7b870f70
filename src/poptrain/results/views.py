"""The best checkpoint and the members, for reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poptrain.core.values import Hparams
from poptrain.results.schedule import Schedule
from poptrain.store.checkpoints import CheckpointStore, Ref

__all__ = ["BestMember", "MemberView"]


@dataclass(frozen=True, slots=True)
class BestMember:
    """The best checkpoint by selection score.

    Args:
        member: who trained it.
        interval: intervals it had completed.
        score: its selection score. It was chosen as the best of many, so it flatters: judge a model by its held-out score.
        hparams: hyperparameters of the interval that ended in it.
        checkpoints: where it is kept.
        schedule_of: makes its schedule.
    """

    member: int
    interval: int
    score: float
    hparams: Hparams
    checkpoints: CheckpointStore = field(repr=False, compare=False)
    schedule_of: Callable[[], Schedule] = field(repr=False, compare=False)

    @property
    def schedule(self) -> Schedule:
        """The hyperparameters along the line of weights that led to it."""
        return self.schedule_of()

    @property
    def path(self) -> Path:
        """Its tensor file, readable by safetensors."""
        return self.checkpoints.path(Ref(self.member, self.interval))

    def load(self) -> Any:
        """Return its state, checked against its hash.

        For the loop form this is {"objects": {name: state, ...}, "value": functional state}; for the class form what
        `state_dict` returned.

        Raises:
            CheckpointError: a file is missing, torn or altered.
        """
        return self.checkpoints.load(Ref(self.member, self.interval))


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as it last reported.

    Args:
        member: its number.
        interval: intervals completed.
        score: selection score of the last one; None where it failed or there is none.
        hparams: hyperparameters of the last one, or the first ones.
        copies: times it has taken over another one's weights or hyperparameters.
    """

    member: int
    interval: int
    score: float | None
    hparams: Hparams
    copies: int
