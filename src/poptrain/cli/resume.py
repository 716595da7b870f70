"""`poptrain resume`: go on with a study."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poptrain.cli.conduct import Conduct
from poptrain.cli.options import AsJson, ExecutorOption, Live, MaxSeconds, Quiet, StudyArgument, Workers, check_study
from poptrain.cli.target import load_target
from poptrain.results import Study

__all__ = ["resume"]


def resume(
    directory: StudyArgument,
    intervals: Annotated[
        int | None,
        typer.Option("--intervals", "-i", min=1, help="Raise the intervals that each member trains.", rich_help_panel="Budget"),
    ] = None,
    max_seconds: MaxSeconds = None,
    executor: ExecutorOption = None,
    workers: Workers = None,
    live: Live = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a study where it stopped, or raise its intervals.

    Everything else is as it was when the study began; a synchronous study ends as if it had never stopped.
    """
    from poptrain.tasks.run import resume as take_up

    config = Study.open(check_study(directory)).config
    changes: dict[str, Any] = {
        "intervals": intervals,
        "max_seconds": max_seconds,
        "executor": None if executor is None else executor.value,
        "workers": workers,
    }
    if config.code.kind in ("file", "module"):
        target = load_target(config.code, directory)
        changes |= {"train": target.train, "held_out": target.held_out}
    conduct = Conduct(
        directory=directory,
        metric=config.metric,
        mode=config.mode,
        title=f"{config.name} in {directory}",
        quiet=quiet,
        json=as_json,
        live=tuple(tool.value for tool in live or ()),
    )
    given = {name: value for name, value in changes.items() if value is not None}
    conduct.show_result(conduct.train(lambda **hooks: take_up(directory, **given, **hooks)))
