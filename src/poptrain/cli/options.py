"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from poptrain.core.errors import ConfigError
from poptrain.integrations import LIVE
from poptrain.store.directory import StudyDirectory

__all__ = [
    "AsJson",
    "ExecutorName",
    "ExecutorOption",
    "Live",
    "MaxSeconds",
    "Quiet",
    "StudyArgument",
    "Workers",
    "check_study",
]

_RESOURCES = "Resources"


class ExecutorName(StrEnum):
    """Where members are trained."""

    auto = "auto"
    processes = "processes"
    vectorised = "vectorised"
    inline = "inline"


StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.", show_default=False)]
LiveTool = StrEnum("LiveTool", {name: name for name in LIVE})  # type: ignore[misc]
Live = Annotated[
    list[LiveTool] | None,
    typer.Option(
        "--live",
        help="Write the study for this tool while it is trained, into the study's folder. Repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only the result.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, help="Worker processes. Default: one a core.", rich_help_panel=_RESOURCES),
]
ExecutorOption = Annotated[
    ExecutorName | None,
    typer.Option(
        "--executor",
        "-x",
        help=(
            "auto: the faster of the next two where the task has a population form, else processes (default). "
            "processes: warm worker processes, one member at a time each. vectorised: many members in each step. "
            "inline: everything in this process, for debugging."
        ),
        rich_help_panel=_RESOURCES,
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option("--max-seconds", help="End early after so many seconds of training.", rich_help_panel="Budget"),
]


def check_study(directory: Path) -> Path:
    """Return the folder of a study.

    Raises:
        ConfigError: there is none in it.
    """
    if not StudyDirectory(directory).exists():
        inside = sorted(path.parent.name for path in directory.glob("*/study.sqlite")) if directory.is_dir() else []
        hint = f"it has {', '.join(inside[:8])} inside" if inside else "name a folder that holds study.sqlite"
        raise ConfigError(f"there is no study in {directory}: {hint}")
    return directory
