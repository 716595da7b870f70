"""From what a worker reports of an exception to the exception that the study's caller gets."""

from __future__ import annotations

from poptrain.core import errors
from poptrain.core.errors import PoptrainError, TrainingFailed
from poptrain.trainable.work import Broke

__all__ = ["failure_of"]


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
