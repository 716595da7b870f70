"""Weights & Biases: a run for each member, grouped by study; offline, unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.core.values import Hparams
from poptrain.integrations.runs import Point, texts
from poptrain.results import Study

__all__ = ["Group"]


class Group:
    """A folder with offline runs, which `wandb sync` sends when you want it to; nothing leaves this machine before.

    Args:
        study: what is written.
        where: the folder.
        kept: the numbers of the runs are kept here; given again, they are gone on with (`wandb sync --append`).

    Raises:
        MissingExtra: wandb is not installed.
    """

    def __init__(self, study: Study, where: Path, kept: MutableMapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise MissingExtra("writing for Weights & Biases", "wandb") from None
        where.mkdir(parents=True, exist_ok=True)
        self._wandb, self._name, self._where, self._kept = wandb, study.name, where, kept
        self._quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True, disable_code=True)
        self._runs: dict[str, Any] = {}

    def add(self, name: str, first: Hparams, points: Sequence[Point]) -> None:
        """Write a member's intervals."""
        if name not in self._runs:
            again = {"id": self._kept[name], "resume": "allow"} if name in self._kept else {}
            self._runs[name] = self._wandb.init(
                project=self._name,
                group=self._name,
                name=name,
                mode=None if "WANDB_MODE" in os.environ else "offline",
                dir=str(self._where),
                config={} if again else {f"first.{key}": value for key, value in texts(first).items()},
                settings=self._quiet,
                reinit="create_new",
                **again,
            )
            self._kept[name] = self._runs[name].id
        for point in points:
            self._runs[name].log({key.replace(".", "/", 1): v for key, v in point.values.items()}, step=point.step)

    def flush(self) -> None:
        """The library writes by itself."""

    def finish(self, study: Study) -> None:
        """Write the held-out scores into the summary of the member that has them."""
        if study.held_out is not None:
            width = len(str(study.config.population - 1))
            run = self._runs.get(f"m{study.best.member:0{width}}")
            if run is not None:
                run.summary.update({f"held_out/{key}": v for key, v in study.held_out.metrics.items() if v is not None})

    def close(self) -> None:
        """End the runs."""
        for run in self._runs.values():
            run.finish()
        self._runs.clear()
