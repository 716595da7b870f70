"""The exceptions of the project: one tree, and every message states rule, value and remedy."""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DiskFull",
    "HyperparameterNotApplied",
    "MissingExtra",
    "NotBatchable",
    "PoptrainError",
    "ReportError",
    "SpaceError",
    "StateError",
    "StoreError",
    "StudyLocked",
    "StudyMismatch",
    "TrainingFailed",
    "WorkerError",
]


class PoptrainError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(PoptrainError, ValueError):
    """An argument breaks a rule; the message names the rule, the value received and the remedy."""


class SpaceError(ConfigError):
    """A search space, or a value for it, is not valid."""


class BudgetError(ConfigError):
    """The study asks for no work at all, or for more than its budget allows."""


class DataError(PoptrainError, ValueError):
    """A user's data file is malformed; the message names the file and the line."""


class ReportError(PoptrainError):
    """A member reported something that is not a score, or reported at the wrong moment."""


class StateError(PoptrainError):
    """A member's state cannot be saved without pickle, or does not fit the objects it is loaded into."""


class HyperparameterNotApplied(PoptrainError):
    """A hyperparameter has a value in the study and another one, or none, in the training code."""


class NotBatchable(PoptrainError):
    """A network or loss that works for one member cannot be computed for several at once."""


class TrainingFailed(PoptrainError):
    """The user's training code raised; carries the member, the interval and the traceback."""


class WorkerError(PoptrainError):
    """A worker process could not be started or cannot be kept alive."""


class StoreError(PoptrainError):
    """The study directory cannot be read or written as it should."""


class DiskFull(StoreError):
    """The disk has no room left; nothing that was saved is lost, and the study can be resumed once there is room."""


class StudyLocked(StoreError):
    """Another controller owns this study directory."""


class StudyMismatch(StoreError, ValueError):
    """The directory holds a study whose settings differ from those asked for."""


class CheckpointError(StoreError):
    """A checkpoint is missing, torn or altered; the message names the file."""


class MissingExtra(PoptrainError, ImportError):
    """An optional dependency is not installed; the message says which extra brings it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the '{extra}' extra: pip install 'poptrain[{extra}]'")
