"""The program: its commands, its errors and its exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from poptrain.cli.best import best
from poptrain.cli.compare import compare
from poptrain.cli.dashboard import dashboard
from poptrain.cli.doctor import doctor
from poptrain.cli.errors import show_error, status_of
from poptrain.cli.export import export
from poptrain.cli.lineage import lineage
from poptrain.cli.replay import replay
from poptrain.cli.report import report
from poptrain.cli.resume import resume
from poptrain.cli.run import run
from poptrain.cli.schedule import schedule
from poptrain.cli.status import status
from poptrain.cli.tasks import tasks
from poptrain.cli.translate import translate
from poptrain.cli.verify import verify
from poptrain.cli.watch import watch
from poptrain.core.errors import PoptrainError
from poptrain.core.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="poptrain",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_TRAINING = "Training"
_LOOKING = "Looking at a study"
_USING = "Using its result"
_OTHER = "Other"

for _command, _panel in (
    (run, _TRAINING),
    (resume, _TRAINING),
    (replay, _TRAINING),
    (compare, _TRAINING),
    (status, _LOOKING),
    (watch, _LOOKING),
    (best, _LOOKING),
    (schedule, _LOOKING),
    (lineage, _LOOKING),
    (report, _LOOKING),
    (dashboard, _LOOKING),
    (verify, _LOOKING),
    (export, _USING),
    (translate, _USING),
    (tasks, _OTHER),
    (doctor, _OTHER),
):
    app.command(rich_help_panel=_panel)(_command)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"poptrain {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Population Based Training: train a population of networks and their hyperparameters together.

    Begin with [bold]poptrain run toy[/bold], or [bold]poptrain run FILE.py:FUNCTION[/bold] for your own training code.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 asked for something impossible, 130 interrupted.

    Args:
        arguments: without the program's name; None for those of the process.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="poptrain")
    except PoptrainError as error:
        show_error(error)
        sys.exit(status_of(error))
