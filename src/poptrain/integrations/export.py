"""Writing a study for another tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from poptrain.core.errors import ConfigError
from poptrain.results import Study

__all__ = ["TARGETS", "export"]

TARGETS: Mapping[str, tuple[str, str]] = {
    "csv": ("poptrain.integrations.tables", "study.csv"),
    "parquet": ("poptrain.integrations.tables", "study.parquet"),
    "tensorboard": ("poptrain.integrations.to_tensorboard", "tensorboard"),
    "mlflow": ("poptrain.integrations.to_mlflow", "mlflow.db"),
    "wandb": ("poptrain.integrations.to_wandb", "wandb"),
    "optuna": ("poptrain.integrations.to_optuna", "optuna.log"),
}
"""The module of each tool, and the name that its export has inside of the study's folder."""


def export(study: Study, to: str, output: Path | None = None) -> Path:
    """Write a study for another tool; return where.

        csv, parquet    one row for each interval of each member
        tensorboard     event files, one run for each member: tensorboard --logdir WHERE
        mlflow          a parent run with a child run for each member: mlflow ui --backend-store-uri sqlite:///WHERE
        wandb           offline runs, grouped by study: wandb sync WHERE/wandb/offline-run-*
        optuna          finished evaluations, one for each interval: optuna-dashboard WHERE

    Args:
        study: it may be running: what was committed when it was opened is exported.
        to: the tool.
        output: file or folder; None for one inside of the study's folder.

    Raises:
        ConfigError: the tool is unknown, or the file is there already.
        MissingExtra: the tool's package is not installed.
    """
    if to not in TARGETS:
        raise ConfigError(f"a study is exported to {', '.join(TARGETS)}, got {to!r}")
    module, name = TARGETS[to]
    where = output if output is not None else study.directory / name
    if where.exists():
        raise ConfigError(f"{where} is there already: remove it, or choose another --output")
    where.parent.mkdir(parents=True, exist_ok=True)
    write: Callable[[Study, str, Path], Any] = import_module(module).write
    write(study, to, where)
    return where
