"""Weights & Biases, offline: a run for each member, grouped by study."""

from __future__ import annotations

from pathlib import Path

from poptrain.core.errors import MissingExtra
from poptrain.integrations.runs import runs_of, texts
from poptrain.results import Study

__all__ = ["write"]


def write(study: Study, to: str, where: Path) -> None:
    """Write offline runs, which `wandb sync` sends when you want it to; nothing leaves this machine here."""
    try:
        import wandb
    except ImportError:
        raise MissingExtra("the export to Weights & Biases", "wandb") from None
    where.mkdir(parents=True)
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True, disable_code=True)
    for run in runs_of(study):
        logged = wandb.init(
            project=study.name,
            group=study.name,
            name=run.name,
            mode="offline",
            dir=str(where),
            config={f"first.{name}": value for name, value in texts(run.first).items()},
            settings=quiet,
            reinit="create_new",
        )
        for point in run.points:
            logged.log({name.replace(".", "/", 1): value for name, value in point.values.items()}, step=point.step)
        logged.finish()
