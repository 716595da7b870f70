"""`poptrain report`: one page about a study, or one of its plots as an image."""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from poptrain.cli.options import StudyArgument, check_study
from poptrain.cli.terminal import counted, say, size
from poptrain.core.errors import ConfigError, MissingExtra, StoreError
from poptrain.results import Study

__all__ = ["report"]


class _Format(StrEnum):
    html = "html"
    png = "png"
    svg = "svg"
    pdf = "pdf"


class _PlotName(StrEnum):
    scores = "scores"
    lineage = "lineage"
    schedule = "schedule"
    diversity = "diversity"
    gains = "gains"
    utilisation = "utilisation"


def report(
    directory: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write. Default: report.html, or PLOT.FORMAT.", show_default=False),
    ] = None,
    kind: Annotated[
        _Format | None, typer.Option("--format", "-f", help="Default: the file's ending, or html.", show_default=False)
    ] = None,
    plot: Annotated[_PlotName | None, typer.Option("--plot", help="One plot; needed for an image.", show_default=False)] = None,
) -> None:
    """Write one HTML page that shows the population: scores, lineage, schedule, warnings. Also while the study runs.

    The page needs no network and can be sent to others. With --plot one plot becomes an image (png, svg or pdf).
    """
    chosen = _kind(output, kind)
    if (chosen == "html") != (plot is None):
        raise ConfigError(
            "an image shows one plot, and a page all of them: give --plot and --format png, svg or pdf, or neither"
        )
    study = Study.open(check_study(directory))
    try:
        importlib.import_module("plotly.graph_objects")
    except ImportError:
        raise MissingExtra("the report", "report") from None
    path = output or Path("report.html" if plot is None else f"{plot}.{chosen}")
    data = _page(study) if plot is None else _image(study, plot.value, chosen)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    say(f"wrote {path} ({size(len(data))})")
    warnings = study.diagnoses() if plot is None else []
    if warnings:
        say(f"{counted(len(warnings), 'warning')}:")
    for found in warnings:
        say(f"  {found.kind}: {found.text} {found.remedy}")


def _kind(output: Path | None, kind: _Format | None) -> str:
    ending = "" if output is None else output.suffix.lstrip(".").lower()
    if kind is not None:
        return kind.value
    if output is not None and ending not in list(_Format):
        raise ConfigError(f"the file is to end in .html, .png, .svg or .pdf, got {output}: name it so, or pass --format")
    return ending or "html"


def _page(study: Study) -> bytes:
    made: str = importlib.import_module("poptrain.report.page").page(study)
    return made.encode()


def _image(study: Study, plot: str, kind: Any) -> bytes:
    figure = importlib.import_module("poptrain.report").PLOTS[plot](study)
    made: bytes = importlib.import_module("poptrain.report.images").image(figure, kind)
    return made
