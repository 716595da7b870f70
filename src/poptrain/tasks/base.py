"""What a built-in task is: settings, and the study that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from poptrain.core.errors import ConfigError
from poptrain.core.report import Mode
from poptrain.core.values import Hparams
from poptrain.strategies import Algorithm
from poptrain.trainable.contracts import UserCode

__all__ = ["TASKS", "HeldOutScores", "Task", "TaskStudy", "load_task"]


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Scores on data that no selection saw, with notes such as a metric's signature, and a few examples to look at."""

    metrics: dict[str, float]
    notes: dict[str, str]


HeldOut: TypeAlias = Callable[[Any, Hparams], HeldOutScores]
"""From a state and the hyperparameters that made it to its scores on held-out data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStudy:
    """A study ready to be run; the sizes are what the task suggests.

    Args:
        train: the training code, sendable to worker processes.
        space: the search space.
        metric: name of the selection metric.
        mode: "max" or "min".
        population, intervals, interval_steps: suggested sizes.
        algorithm: suggested algorithm.
        held_out: scores the best state at the end; None where the task has no held-out data.
        manual: hyperparameters that people usually take, for comparisons; empty where there are no usual ones.
        about: lines that say what is trained on, for the head of the output.
    """

    train: UserCode
    space: Mapping[str, Any]
    metric: str
    mode: Mode
    population: int
    intervals: int
    interval_steps: int
    algorithm: Algorithm[Any]
    held_out: HeldOut | None = None
    manual: tuple[Mapping[str, Any], ...] = ()
    about: tuple[str, ...] = ()


class Task(Protocol):
    """A module with these three names is a task."""

    SUMMARY: str
    """One line for the list of tasks."""

    Settings: type[Any]
    """Frozen dataclass of JSON-able options with defaults; each becomes a flag on the command line."""

    def make_study(self, settings: Any, folder: Path) -> TaskStudy:
        """Prepare what the settings name inside the study's folder, and return the study.

        Called again with the same folder when a study is taken up again; must then find what it prepared before.
        """
        ...


TASKS: dict[str, str] = {
    "translation": "poptrain.tasks.translation",
    "classification": "poptrain.tasks.classification",
    "audio": "poptrain.tasks.audio",
    "gan": "poptrain.tasks.gan",
    "policy": "poptrain.tasks.policy",
    "sarsa": "poptrain.tasks.sarsa",
    "rl": "poptrain.tasks.rl",
    "trees": "poptrain.tasks.trees",
    "toy": "poptrain.tasks.toy",
    "toy-plain": "poptrain.tasks.toy_plain",
    "toy-deceptive": "poptrain.tasks.toy_deceptive",
}
"""Tasks by name; imported when they are asked for."""


def load_task(name: str) -> Task:
    """Return a task by name.

    Raises:
        ConfigError: there is no such task.
        MissingExtra: its optional dependencies are not installed.
    """
    if name not in TASKS:
        raise ConfigError(f"there is no task {name!r}: the tasks are {', '.join(TASKS)}; FILE.py:FUNCTION runs your own code")
    task: Any = import_module(TASKS[name])
    return task  # type: ignore[no-any-return]
