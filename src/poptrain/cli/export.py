"""`poptrain export`: a study for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.terminal import say, say_json
from poptrain.integrations import TARGETS
from poptrain.integrations import export as write
from poptrain.results import Study

__all__ = ["export"]

Tool = StrEnum("Tool", {name: name for name in TARGETS})  # type: ignore[misc]

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
    as_json: AsJson = False,
) -> None:
    """Write a study for TensorBoard, MLflow, Weights & Biases, Optuna, or as a table; also while it runs."""
    where = write(Study.open(check_study(directory)), to.value, output)
    if as_json:
        say_json({"to": to.value, "output": str(where)})
        return
    say(f"written to {where}")
    if to.value in _OPEN_WITH:
        say(f"open it with: {_OPEN_WITH[to.value].format(where=where)}")
