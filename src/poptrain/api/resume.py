"""Taking a study up again by its directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poptrain.api.code import load_code
from poptrain.api.tune import tune
from poptrain.core.errors import StoreError
from poptrain.results import Study
from poptrain.space import Space
from poptrain.store.config import StudyConfig
from poptrain.store.directory import StudyDirectory
from poptrain.strategies.codec import policy_from_json

__all__ = ["read_config", "resume"]


def read_config(directory: str | Path) -> StudyConfig:
    """Return the settings of the study in a directory.

    Raises:
        StoreError: there is no study.
    """
    folder = StudyDirectory(Path(directory))
    if not folder.exists():
        raise StoreError(f"there is no study in {directory}: name the folder that holds study.sqlite")
    return Study.open(folder.path).config


def resume(directory: str | Path, *, train: Any = None, **changes: Any) -> Study:
    """Take a study up where it stopped, with the code that its journal names.

    Args:
        directory: the study's folder.
        train: the training code, where the journal does not know how to find it.
        **changes: arguments of `tune` that may change: intervals (not fewer), executor, workers, max_seconds, durability,
            deadline, on_error, bodies, held_out, observer, interrupts.

    Returns:
        The study, as `tune` does.

    Raises:
        StoreError: there is no study.
        ConfigError: the code cannot be found again.
        CheckpointError: a checkpoint that the study needs is damaged; the message names the file.
    """
    config = read_config(directory)
    code = load_code(config.code) if train is None else train
    settings: dict[str, Any] = {
        name: getattr(config, name)
        for name in (
            *(
                "metric",
                "mode",
                "population",
                "intervals",
                "interval_steps",
                "seed",
                "synchronous",
                "durability",
            ),
            *("deadline", "max_seconds", "on_error", "threads", "bodies", "workers", "name", "code"),
        )
    }
    executor = config.executor if config.executor in ("inline", "processes", "vectorised", "auto") else "processes"
    settings.update(executor=executor, algorithm=policy_from_json(config.algorithm), directory=directory)
    settings.update({name: value for name, value in changes.items() if value is not None})
    return tune(code, Space.from_json(config.space), **settings)
