"""Writing a study for another tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from poptrain.core.errors import ConfigError
from poptrain.integrations.runs import MakeSink, deliver
from poptrain.results import Study

__all__ = ["LIVE", "TARGETS", "export", "sink_of"]

TARGETS: Mapping[str, tuple[str, str]] = {
    "csv": ("poptrain.integrations.tables:write", "study.csv"),
    "parquet": ("poptrain.integrations.tables:write", "study.parquet"),
    "tensorboard": ("poptrain.integrations.to_tensorboard:Events", "tensorboard"),
    "mlflow": ("poptrain.integrations.to_mlflow:Experiment", "mlflow.db"),
    "wandb": ("poptrain.integrations.to_wandb:Group", "wandb"),
    "optuna": ("poptrain.integrations.to_optuna:write", "optuna.log"),
}
"""What writes for each tool (a function, or the class of a sink), and the name that it has inside of the study's folder."""

LIVE = ("tensorboard", "mlflow", "wandb")
"""Tools that can be written for while the study runs."""


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
    name = TARGETS[to][1]
    where = output if output is not None else study.directory / name
    if where.exists():
        raise ConfigError(f"{where} is there already: remove it, or choose another --output")
    where.parent.mkdir(parents=True, exist_ok=True)
    if to in LIVE:
        sink = sink_of(to)(study, where, {})
        deliver(study, study.reports(), sink)
        sink.finish(study)
        sink.close()
    else:
        write: Callable[[Study, str, Path], Any] = _named(to)
        write(study, to, where)
    return where


def sink_of(to: str) -> MakeSink:
    """Return the class that writes for one of the tools in `LIVE`."""
    found: MakeSink = _named(to)
    return found


def _named(to: str) -> Any:
    module, _, name = TARGETS[to][0].partition(":")
    return getattr(import_module(module), name)
