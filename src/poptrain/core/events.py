"""What can happen in a study. Each event is one row of the journal; everything shown later is a query over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from poptrain.core.values import Hparams

__all__ = [
    "Event",
    "Failed",
    "Finished",
    "HeldOut",
    "Paused",
    "Replaced",
    "Reported",
    "Restarted",
    "Resumed",
    "Saved",
    "Started",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A member exists, with its first hyperparameters and no weights yet."""

    kind: ClassVar[str] = "started"
    member: int
    interval: int = 0
    hparams: Hparams


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A member completed an interval.

    Args:
        interval: intervals completed, >= 1.
        score: selection score as the user reported it (not oriented); None where the interval failed or the score was not
            finite.
        metrics: every number reported, the selection score among them; never holds NaN or infinities (they are None).
        hparams: the hyperparameters the interval was trained with.
        steps: member-steps charged to the budget for it.
        began, ended: seconds since 1970 at which the worker began and ended it.
        evaluate_seconds: seconds of it spent in evaluation where that is known (class form), else 0.
        worker: number of the worker that trained it, >= 0.
    """

    kind: ClassVar[str] = "reported"
    member: int
    interval: int
    score: float | None
    metrics: dict[str, float | None]
    hparams: Hparams
    steps: int
    began: float = 0.0
    ended: float = 0.0
    evaluate_seconds: float = 0.0
    worker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The state of (member, interval) is on disk; `digest` is the SHA-256 of its tensor file, in hexadecimal."""

    kind: ClassVar[str] = "saved"
    member: int
    interval: int
    digest: str
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A member goes on from another one's state, with other hyperparameters, or both (see `core.decisions.Replace`).

    `interval` is the number of intervals the member itself had completed.
    """

    kind: ClassVar[str] = "replaced"
    member: int
    interval: int
    donor: int
    donor_interval: int
    hparams: Hparams
    weights: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """A member begins anew from freshly initialised weights, after `interval` intervals of its own (see `Restart`)."""

    kind: ClassVar[str] = "restarted"
    member: int
    interval: int
    hparams: Hparams
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something went wrong with a member: `reason` is one of diverged, lost, stuck, error; `detail` says what."""

    kind: ClassVar[str] = "failed"
    member: int
    interval: int
    reason: str
    detail: str
    worker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The study stopped before its end and can be resumed; `because` says why."""

    kind: ClassVar[str] = "paused"
    because: str
    member: int = -1
    interval: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A controller took the study up again."""

    kind: ClassVar[str] = "resumed"
    member: int = -1
    interval: int = -1
    because: str = "asked to"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Scores of one checkpoint on data that no selection ever saw; never used for selection.

    Args:
        metrics: numbers, by name.
        notes: texts that belong to them, such as the signature of a metric.
    """

    kind: ClassVar[str] = "held_out"
    member: int
    interval: int
    metrics: dict[str, float | None]
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The study reached its end: the budget is spent, or the algorithm stopped it."""

    kind: ClassVar[str] = "finished"
    because: str
    member: int = -1
    interval: int = -1


Event: TypeAlias = Started | Reported | Saved | Replaced | Restarted | Failed | Paused | Resumed | HeldOut | Finished
