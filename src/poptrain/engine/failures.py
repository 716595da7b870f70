"""From what a worker reports of an exception to the exception that the study's caller gets."""

from __future__ import annotations

from poptrain.core import errors
from poptrain.core.errors import DiskFull, PoptrainError, StateError, StoreError, TrainingFailed
from poptrain.trainable.work import Broke, SaveFailed

__all__ = ["failure_of", "refusal_of"]


def refusal_of(failed: SaveFailed) -> PoptrainError:
    """Return the exception to raise where a state could not be written or read."""
    if failed.full:
        return DiskFull(f"no room to write {failed.path}: {failed.message}")
    if failed.refused:
        return StateError(f"the state of member {failed.member} cannot be saved: {failed.message}")
    return StoreError(f"the state of member {failed.member} is not in {failed.path}: {failed.message}")


def failure_of(broke: Broke) -> PoptrainError:
    """Return the exception to raise: the project's own class where a check failed, TrainingFailed for everything else."""
    kind: type[PoptrainError] = getattr(errors, broke.error) if broke.contract else TrainingFailed
    where = f"member {broke.member}"
    if broke.interval >= 0:
        where += f", interval {broke.interval + 1}, worker {broke.worker}"
    if not broke.contract:
        return TrainingFailed(f"{where}: {broke.message}\n\n{broke.traceback.rstrip()}")
    failure = kind.__new__(kind)
    failure.args = (f"{where}: {broke.message}",)  # not through __init__: MissingExtra's takes other arguments
    return failure
