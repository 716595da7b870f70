"""MLflow: a parent run for the study, a child run for each member."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.integrations.runs import Run, runs_of, texts
from poptrain.results import Study

__all__ = ["write"]

_MOST = 1000
"""Metrics in one call, as MLflow allows."""


def write(study: Study, to: str, where: Path) -> None:
    """Write an SQLite store with one experiment, named like the study."""
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise MissingExtra("the export to MLflow", "mlflow") from None
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it would tell of every table it makes
    client = MlflowClient(tracking_uri=f"sqlite:///{where.absolute()}")
    experiment = client.create_experiment(study.name, artifact_location=(where.parent / "mlflow-artifacts").absolute().as_uri())
    config = study.config
    parent = client.create_run(experiment, run_name=study.name).info.run_id
    for name in ("metric", "mode", "population", "intervals", "interval_steps", "seed"):
        client.log_param(parent, name, getattr(config, name))
    if study.scored and study.best.score is not None:
        client.log_metric(parent, "best_selection_score", study.best.score, step=study.best.interval * config.interval_steps)
    if study.held_out is not None:
        for name, value in study.held_out.metrics.items():
            if value is not None:
                client.log_metric(parent, f"held_out.{name}", value)
    for run in runs_of(study):
        _write_member(client, experiment, parent, run)
    client.set_terminated(parent)


def _write_member(client: Any, experiment: str, parent: str, run: Run) -> None:
    from mlflow.entities import Metric, Param

    tags = {"mlflow.parentRunId": parent}
    identity = client.create_run(experiment, run_name=run.name, tags=tags, start_time=round(1e3 * run.points[0].seconds))
    number = identity.info.run_id
    metrics = [Metric(name, v, round(1e3 * p.seconds), p.step) for p in run.points for name, v in p.values.items()]
    params = [Param(f"first.{name}", str(value)) for name, value in texts(run.first).items()]
    client.log_batch(number, params=params)
    for first in range(0, len(metrics), _MOST):
        client.log_batch(number, metrics=metrics[first : first + _MOST])
    client.set_terminated(number, end_time=round(1e3 * run.points[-1].seconds))
