"""`poptrain tasks`: what is built in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poptrain.cli.options import AsJson
from poptrain.cli.target import code_of
from poptrain.cli.terminal import aligned, say, say_json
from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.tasks.base import TASKS, load_task
from poptrain.tasks.run import describe_settings

__all__ = ["tasks"]


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Show the settings of this task.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the built-in tasks, or the settings of one."""
    if name is not None:
        _show_settings(name, as_json=as_json)
        return
    found = {task: _summary(task) for task in TASKS}
    if as_json:
        say_json(found)
        return
    for line in aligned(found.items()):
        say(line)
    say("\npoptrain tasks TASK lists a task's settings, poptrain run TASK --set KEY=VALUE changes them")


def _show_settings(name: str, *, as_json: bool) -> None:
    if code_of(name, {}).kind != "task":
        raise ConfigError(f"{name} is not a built-in task: the tasks are {', '.join(TASKS)}")
    settings: dict[str, Any] = describe_settings(name)
    if as_json:
        say_json(settings)
        return
    say(_summary(name))
    for line in aligned((f"  {key}", str(value)) for key, value in settings.items()):
        say(line)


def _summary(task: str) -> str:
    try:
        return load_task(task).SUMMARY
    except MissingExtra as error:
        return str(error)
