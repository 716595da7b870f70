"""`poptrain export`: a study for other tools."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.terminal import say, say_json
from poptrain.integrations import LIVE, TARGETS, Follower
from poptrain.integrations import export as write
from poptrain.results import Study

__all__ = ["export"]

Tool = StrEnum("Tool", {name: name for name in TARGETS})  # type: ignore[misc]

_EVERY = 2.0
"""Seconds between two looks at a study that runs."""

_OPEN_WITH = {
    "tensorboard": "tensorboard --logdir {where}",
    "mlflow": "mlflow ui --backend-store-uri sqlite:///{where}",
    "wandb": "wandb sync {where}/wandb/offline-run-*",
    "optuna": "optuna-dashboard {where}",
}


def export(
    directory: StudyArgument,
    to: Annotated[Tool, typer.Option("--to", "-t", help="The tool, or the kind of file.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File or folder to write. Default: one inside of the study's folder.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help=f"Go on until the study ends, or Ctrl-C; the same again goes on ({', '.join(LIVE)} only)."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a study for TensorBoard, MLflow, Weights & Biases, Optuna, or as a table; also while it runs."""
    study = Study.open(check_study(directory))
    where = _follow(Follower(directory, to.value, output)) if follow else write(study, to.value, output)
    if as_json:
        say_json({"to": to.value, "output": str(where)})
        return
    say(f"written to {where}")
    if to.value in _OPEN_WITH:
        say(f"open it with: {_OPEN_WITH[to.value].format(where=where)}")


def _follow(follower: Follower) -> Path:
    """Hand over what is committed until the study is not trained any more."""
    say(f"writing to {follower.where}; Ctrl-C stops writing only", err=True)
    try:
        while Study.open(follower.directory).status == "running":
            follower.look()
            time.sleep(_EVERY)
    except KeyboardInterrupt:
        say("stopped writing; the study goes on, and the same command goes on with writing", err=True)
    finally:
        follower.finish()
    return follower.where
