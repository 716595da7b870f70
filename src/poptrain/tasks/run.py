"""Running built-in tasks, and taking any study up again, tasks' included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from poptrain.api import resume as resume_code
from poptrain.api import tune
from poptrain.api.resume import read_config
from poptrain.core.errors import ConfigError
from poptrain.results import Study
from poptrain.store.config import CodeReference
from poptrain.store.directory import StudyDirectory
from poptrain.tasks.base import TaskStudy, load_task

__all__ = ["describe_settings", "make_settings", "resume", "run_task", "task_study"]


def describe_settings(name: str) -> dict[str, Any]:
    """Return a task's settings and their defaults, by name."""
    kind = load_task(name).Settings
    defaults = kind()
    return {field.name: getattr(defaults, field.name) for field in fields(kind)}


def make_settings(name: str, values: Mapping[str, Any]) -> Any:
    """Return a task's settings from plain values; numbers and booleans may be given as text.

    Raises:
        ConfigError: a setting is not known, or a value has the wrong type.
    """
    kind = load_task(name).Settings
    known = [field.name for field in fields(kind)]
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise ConfigError(f"the task {name!r} has no setting {key!r}: {hint}")
    try:
        return msgspec.convert(dict(values), type=kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"a setting of the task {name!r} is not valid: {error}") from error


def task_study(name: str, settings: Mapping[str, Any], directory: str | Path) -> TaskStudy:
    """Prepare a task inside a study's folder and return its study."""
    folder = StudyDirectory(Path(directory))
    made = make_settings(name, settings)
    folder.create()
    return load_task(name).make_study(made, folder.path)


def run_task(name: str, settings: Mapping[str, Any], *, directory: str | Path | None = None, **options: Any) -> Study:
    """Run a built-in task; `options` are arguments of `tune` and win over what the task suggests.

    Args:
        name: the task.
        settings: the task's own settings, by name.
        directory: the study's folder; None for runs/NAME.
        **options: arguments of `tune`; None means the task's suggestion.
    """
    where = Path(directory) if directory is not None else Path("runs") / name
    study = task_study(name, settings, where)
    chosen: dict[str, Any] = {
        key: getattr(study, key)
        for key in ("metric", "mode", "population", "intervals", "interval_steps", "algorithm", "held_out")
    }
    chosen.update({key: value for key, value in options.items() if value is not None})
    chosen.setdefault("name", name)
    code = CodeReference(kind="task", target=name, settings=dict(settings))
    return tune(study.train, study.space, directory=where, code=code, **chosen)


def resume(directory: str | Path, **changes: Any) -> Study:
    """Take any study up again, whatever its training code is; see `poptrain.api.resume`."""
    config = read_config(directory)
    if config.code.kind != "task":
        return resume_code(directory, **changes)
    study = task_study(config.code.target, config.code.settings, directory)
    changes.setdefault("held_out", study.held_out)
    return resume_code(directory, train=study.train, **changes)
