"""Training with everything around it: progress, Ctrl-C, the result, and what to do next."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from poptrain.cli.errors import FAILED, INTERRUPTED
from poptrain.cli.summary import as_json, result_lines
from poptrain.cli.terminal import say, say_json
from poptrain.core.errors import DiskFull, TrainingFailed, WorkerError
from poptrain.core.report import Mode
from poptrain.engine.signals import Interrupts
from poptrain.integrations import follow
from poptrain.results import Study
from poptrain.store.directory import StudyDirectory

__all__ = ["Conduct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a study is trained in front of its user.

    Args:
        directory: the study's folder.
        metric, mode: what selects.
        title: the study in a few words.
        quiet: whether to show no progress.
        json: whether the result is JSON; progress then goes to standard error.
        live: tools that the study is written for while it runs.
        about: lines to begin with.
        go_on: the command that takes everything up again; empty for `poptrain resume` of the study.
    """

    directory: Path
    metric: str
    mode: Mode
    title: str
    quiet: bool
    json: bool
    live: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    go_on: str = ""

    def train(self, begin: Callable[..., Study]) -> Study:
        """Train and return the study; leaves the program with status 130 where it was paused.

        Args:
            begin: trains; called with the arguments observer, interrupts and on_preflight of `tune`.

        Raises:
            PoptrainError: with a note that says how to go on, or how to see the failure again.
            Exit: Ctrl-C or SIGTERM came.
        """
        from poptrain.cli.progress import make_display  # brings rich's live display along

        display = make_display(self.mode, title=self.title, metric=self.metric, quiet=self.quiet, to_stderr=self.json)
        interrupts = Interrupts(display.interrupted)
        hooks: dict[str, Any] = {
            "observer": display.progress,
            "interrupts": interrupts,
            "on_preflight": display.preflight,
        }
        try:
            with contextlib.ExitStack() as stack:
                written = [stack.enter_context(follow(self.directory, tool)).where for tool in self.live]
                stack.enter_context(display)
                for line in (*self.about, *(f"written live to {where}" for where in written)):
                    display.say(line)
                study = begin(**hooks)
        except KeyboardInterrupt:
            say("stopped at once; what was committed is kept", err=True)
            self._say_how_to_resume()
            raise typer.Exit(INTERRUPTED) from None
        except TrainingFailed as error:
            error.add_note(f"\nsee it again, in one process: {self._resume()} --executor inline")
            raise
        except (DiskFull, WorkerError) as error:
            error.add_note(f"afterwards, go on with: {self.go_on or self._resume()}")
            raise
        if study.status == "paused":
            say(f"paused after interval {min(study.completed)} of {study.config.intervals}", err=True)
            self._say_how_to_resume()
            raise typer.Exit(INTERRUPTED)
        return study

    def show_result(self, study: Study) -> None:
        """Print what the study came to; leaves the program with status 1 where that is nothing."""
        if self.json:
            say_json(as_json(study))
        else:
            say(f"{study.status}: {study.because}" if study.because else study.status)
            for line in result_lines(study):
                say(line)
        if not study.scored:
            raise typer.Exit(FAILED)

    def _resume(self) -> str:
        return f"poptrain resume {shlex.quote(str(self.directory))}"

    def _say_how_to_resume(self) -> None:
        if StudyDirectory(self.directory).exists():
            say(f"go on with: {self.go_on or self._resume()}", err=True)
