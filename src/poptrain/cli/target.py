"""What is trained: a built-in task, or a function in a file or module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from poptrain.api.code import load_code, load_file, parse_target
from poptrain.cli.errors import import_failed
from poptrain.core.errors import ConfigError, PoptrainError
from poptrain.space import Space
from poptrain.store.config import CodeReference
from poptrain.strategies import Algorithm
from poptrain.tasks.base import TASKS
from poptrain.tasks.run import task_study

__all__ = ["Target", "code_of", "load_target", "name_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Training code with everything that belongs to it; None is not said.

    Args:
        train: the training code.
        space: the search space.
        metric: the metric that selects.
        mode: "max" or "min".
        population, intervals, interval_steps, algorithm: what a task suggests.
        held_out: scores the best state on held-out data.
        manual: configurations that people use.
        about: lines that say what is trained on.
    """

    train: Any
    space: Mapping[str, Any] | None
    metric: str | None
    mode: str | None
    population: int | None = None
    intervals: int | None = None
    interval_steps: int | None = None
    algorithm: Algorithm[Any] | None = None
    held_out: Any = None
    manual: tuple[Any, ...] = ()
    about: tuple[str, ...] = ()


def code_of(text: str, settings: Mapping[str, Any]) -> CodeReference:
    """Return the reference that a TARGET of the command line stands for.

    Raises:
        ConfigError: there is no such task, or settings are given to what is none.
    """
    if text in TASKS:
        return CodeReference(kind="task", target=text, settings=dict(settings))
    if text.endswith(".py"):
        raise ConfigError(f"{text} is a file: name the function in it, as in {text}:train")
    if ":" not in text:
        near = get_close_matches(text, TASKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the tasks are {', '.join(TASKS)}"
        raise ConfigError(f"there is no task {text!r}: {hint} (your own code is FILE.py:FUNCTION or MODULE:FUNCTION)")
    if settings:
        raise ConfigError(f"settings ({', '.join(settings)}) are for built-in tasks, {text} takes none: leave them out")
    return parse_target(text)


def name_of(code: CodeReference) -> str:
    """Return what a study of the code is called by default."""
    return code.target if code.kind == "task" else code.name.rpartition(".")[2]


def load_target(code: CodeReference, directory: Path) -> Target:
    """Return the training code that a reference names; a task prepares its data in the study's folder.

    In a file or module of the user's, SPACE is the search space, METRIC and MODE say what selects, and HELD_OUT is a function
    of (state, hparams) that returns metrics on held-out data, MANUAL lists configurations by hand; each may be missing.

    Raises:
        ConfigError: there is no such code.
        TrainingFailed: it raised while it was imported; the message has the traceback.
    """
    if code.kind == "task":
        study = task_study(code.target, code.settings, directory)
        names = ("train", "space", "metric", "mode", "population", "intervals", "interval_steps", "algorithm", "held_out")
        return Target(**{name: getattr(study, name) for name in names}, manual=study.manual, about=study.about)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # a console script does not look into the current folder by itself
    try:
        train = load_code(code)
    except PoptrainError:
        raise
    except Exception as error:
        raise import_failed(code.target, error) from error
    module = load_file(Path(code.target)) if code.kind == "file" else sys.modules[code.target]
    space = getattr(module, "SPACE", None)
    return Target(
        train=train,
        space=space if space is None or isinstance(space, Space) else Space(space),
        metric=getattr(module, "METRIC", None),
        mode=getattr(module, "MODE", None),
        held_out=getattr(module, "HELD_OUT", None),
        manual=tuple(getattr(module, "MANUAL", ())),
    )
