"""MLflow: a parent run for the study, a child run for each member."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.core.values import Hparams
from poptrain.integrations.runs import Point, texts
from poptrain.results import Study

__all__ = ["Experiment"]

_MOST = 1000
"""Metrics in one call, as MLflow allows."""


class Experiment:
    """An SQLite store with one experiment, named like the study.

    Args:
        study: what is written.
        where: the store's file.
        kept: the numbers of the runs are kept here; given again, they are gone on with.

    Raises:
        MissingExtra: mlflow is not installed.
    """

    def __init__(self, study: Study, where: Path, kept: MutableMapping[str, Any]) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise MissingExtra("writing for MLflow", "mlflow") from None
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it would tell of every table it makes
        self._client = MlflowClient(tracking_uri=f"sqlite:///{where.absolute()}")
        self._kept = kept
        if not kept:
            place = (where.parent / "mlflow-artifacts").absolute().as_uri()
            kept["experiment"] = self._client.create_experiment(study.name, artifact_location=place)
            kept["parent"] = self._client.create_run(kept["experiment"], run_name=study.name).info.run_id
            kept["runs"], kept["last"] = {}, {}
            for name in ("metric", "mode", "population", "intervals", "interval_steps", "seed"):
                self._client.log_param(kept["parent"], name, getattr(study.config, name))

    def add(self, name: str, first: Hparams, points: Sequence[Point]) -> None:
        """Write a member's intervals."""
        from mlflow.entities import Metric, Param

        runs = self._kept["runs"]
        if name not in runs:
            tags, began = {"mlflow.parentRunId": self._kept["parent"]}, round(1e3 * points[0].seconds)
            run = self._client.create_run(self._kept["experiment"], run_name=name, tags=tags, start_time=began)
            runs[name] = run.info.run_id
            params = [Param(f"first.{key}", str(value)) for key, value in texts(first).items()]
            self._client.log_batch(runs[name], params=params)
        metrics = [Metric(key, v, round(1e3 * p.seconds), p.step) for p in points for key, v in p.values.items()]
        for start in range(0, len(metrics), _MOST):
            self._client.log_batch(runs[name], metrics=metrics[start : start + _MOST])
        self._kept["last"][name] = round(1e3 * points[-1].seconds)

    def flush(self) -> None:
        """Every call has been written already."""

    def finish(self, study: Study) -> None:
        """Write the best score and the held-out ones, and end all runs."""
        parent = self._kept["parent"]
        if study.scored and study.best.score is not None:
            step = study.best.interval * study.config.interval_steps
            self._client.log_metric(parent, "best_selection_score", study.best.score, step=step)
        if study.held_out is not None:
            for name, value in study.held_out.metrics.items():
                if value is not None:
                    self._client.log_metric(parent, f"held_out.{name}", value)
        for name, run in self._kept["runs"].items():
            self._client.set_terminated(run, end_time=self._kept["last"][name])
        self._client.set_terminated(parent)

    def close(self) -> None:
        """Nothing is open."""
