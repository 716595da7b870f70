"""`poptrain watch`: the live view of a study that is trained elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from poptrain.cli.options import StudyArgument, check_study
from poptrain.cli.summary import score_lines, standing_lines
from poptrain.cli.terminal import say
from poptrain.results import Study

if TYPE_CHECKING:
    from poptrain.cli.progress import Display

__all__ = ["watch"]


def watch(
    directory: StudyArgument,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks at the journal.")] = 1.0,
) -> None:
    """Show a study that is trained elsewhere on this machine, live, until it ends. Ctrl-C stops watching, not the study."""
    study = Study.open(check_study(directory))
    if study.status == "running":
        from poptrain.cli.progress import make_display  # brings rich's live display along

        config = study.config
        title = f"{study.name} in {directory} (watched; Ctrl-C stops watching only)"
        display = make_display(config.mode, title=title, metric=config.metric, quiet=False, to_stderr=False)
        try:
            with display:
                study = _follow(study, display, every)
        except KeyboardInterrupt:
            say("stopped watching; the study goes on", err=True)
            return
    for line in [*standing_lines(study), "", *score_lines(study)]:
        say(line)


def _follow(study: Study, display: Display, every: float) -> Study:
    """Show the study again whenever something was committed; return it when it is not running any more."""
    from poptrain.cli.progress import progress_of_study

    while study.status == "running":
        display.progress(progress_of_study(study))
        time.sleep(every)
        study = Study.open(study.directory)
    display.progress(progress_of_study(study))
    return study
