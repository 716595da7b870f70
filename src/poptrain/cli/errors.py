"""What a user sees of an error, and the exit status that goes with it."""

from __future__ import annotations

import traceback

import typer

from poptrain.core.errors import ConfigError, MissingExtra, PoptrainError, StudyMismatch, TrainingFailed

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "import_failed", "show_error", "status_of"]

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def status_of(error: PoptrainError) -> int:
    """Return the exit status: 2 where another command line would help, 1 for everything else."""
    return MISUSED if isinstance(error, (ConfigError, StudyMismatch, MissingExtra)) else FAILED


def show_error(error: PoptrainError) -> None:
    """Print an error and its notes on standard error; the only tracebacks in it are those of the user's own code."""
    typer.echo(f"error: {error}", err=True)
    for note in getattr(error, "__notes__", ()):
        typer.echo(note, err=True)


def import_failed(where: str, error: BaseException) -> TrainingFailed:
    """Return the error for training code that raised while it was imported."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if frame.name == "<module>"), len(frames))
    text = "".join([*traceback.format_list(frames[first:]), *traceback.format_exception_only(error)])
    return TrainingFailed(f"{where} cannot be imported: {type(error).__name__}: {error}\n\n{text.rstrip()}")
