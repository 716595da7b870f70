"""`tune`: a training function, a search space and a budget in; a study out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poptrain.api.code import reference_to
from poptrain.api.session import HeldOutFunction, Session, make_executor
from poptrain.core.clock import SystemClock
from poptrain.core.errors import ConfigError
from poptrain.core.report import Mode
from poptrain.core.rng import Keys
from poptrain.core.version import __version__
from poptrain.engine import Observer, Plan
from poptrain.engine.plan import OnError
from poptrain.engine.signals import Interrupts
from poptrain.executors import Executor
from poptrain.executors.devices import visible_devices
from poptrain.results import Study
from poptrain.space import Space
from poptrain.store.config import CodeReference, StudyConfig
from poptrain.store.directory import StudyDirectory
from poptrain.strategies import PBT, Algorithm, Context
from poptrain.strategies.codec import policy_to_json
from poptrain.trainable.contracts import UserCode, is_class_form
from poptrain.trainable.population import is_population_form

__all__ = ["tune"]


def tune(
    train: UserCode,
    space: Mapping[str, Any],
    *,
    metric: str,
    mode: Mode = "max",
    population: int = 8,
    intervals: int = 20,
    interval_steps: int = 100,
    algorithm: Algorithm[Any] | None = None,
    executor: str | Executor = "auto",
    workers: int | None = None,
    directory: str | Path | None = None,
    seed: int = 0,
    synchronous: bool = True,
    durability: float = 1.0,
    deadline: float | None = None,
    max_seconds: float | None = None,
    on_error: OnError = "stop",
    threads: int = 1,
    bodies: int | None = None,
    preflight: bool = True,
    held_out: HeldOutFunction | None = None,
    observer: Observer | None = None,
    interrupts: Interrupts | None = None,
    on_preflight: Any = None,
    name: str | None = None,
    code: CodeReference | None = None,
) -> Study:
    """Train a population with its hyperparameters; or take the study in `directory` up where it stopped.

    The same call does both: it begins the study, continues one that was interrupted, and returns a finished one at once. A
    finished study goes on if `intervals` is raised.

    Args:
        train: a function that takes a `Member` (loop form), or a class of the `Trainable` contract (class form).
        space: hyperparameters by name: `Float`, `Int`, `Choice`, constants; nested mappings are joined with dots.
        metric: the metric that selects, among those reported.
        mode: "max" if higher is better, "min" if lower is.
        population: members, >= 1.
        intervals: intervals each member trains, >= 1; members may copy each other between intervals.
        interval_steps: steps of an interval, >= 1; what a step is, the training code decides.
        algorithm: how hyperparameters are chosen; None for `PBT()`.
        executor: "processes" (warm workers), "vectorised" (the population form as one computation in each worker), "inline"
            (this process), an `Executor`, or "auto": processes, but for the population form whichever of the two is measured to
            be faster.
        workers: worker processes; None for one a core (vectorised on GPUs: one a device), at most one a member.
        directory: the study's folder; None for runs/NAME.
        seed: root of all randomness, >= 0.
        synchronous: whether members wait for each other after every interval; then the result depends on the seed alone.
        durability: seconds after which results are on disk; 0 waits for the disk after every interval. Where states are so big
            that saving would go on for more than a tenth of the time, it is longer, up to a minute.
        deadline: seconds after which an interval counts as stuck; None for 20 times the slowest, at least ten minutes.
        max_seconds: end early after so many seconds of training.
        on_error: "stop" at an exception in the training code, or "diverge": that member ranks worst.
        threads: threads of numeric libraries in each worker; takes part in results to the last bit.
        bodies: most members with live objects in a worker; None to decide by free memory.
        preflight: before a new study, save, restore and compare one member.
        held_out: called once, when the study is finished, with the best state and its hyperparameters; returns metrics on
            data that no selection saw.
        observer: called with `Progress` after every decision.
        interrupts: pauses the study on request; None reacts to Ctrl-C.
        on_preflight: called with what the preflight found.
        name: the study's name; None for the function's.
        code: where `resume` finds the training code; None to find out.

    Returns:
        The study, for reading: `best`, `schedule`, `lineage`, `status` ("finished" or "paused").

    Raises:
        ConfigError: an argument breaks a rule.
        TrainingFailed: the training code raised.
        HyperparameterNotApplied, StateError, ReportError: the training code breaks its contract.
        StudyMismatch: `directory` holds a study with other settings.
        StudyLocked: another process runs the study.
        DiskFull: no room; the study can be resumed.
    """
    together = is_population_form(train)
    if not together:
        is_class_form(train)
    search = space if isinstance(space, Space) else Space(space)
    chosen = PBT() if algorithm is None else algorithm
    label = name or _label(train)
    _check_sizes(workers=workers, threads=threads, bodies=bodies, deadline=deadline)
    kind = "processes" if executor == "auto" and not together else executor
    count = workers if workers is not None else _workers(kind, population)
    made = make_executor(kind, workers=count, threads=threads)
    if made.batched and not together:
        raise ConfigError(
            "the vectorised executor trains the population form: build one with poptrain.torch.population(...), write a "
            "PopulationTrainable, or pass executor='processes'"
        )
    config = StudyConfig(
        name=label,
        version=__version__,
        created=SystemClock().wall(),
        metric=metric,
        mode=mode,
        population=population,
        intervals=intervals,
        interval_steps=interval_steps,
        seed=seed,
        synchronous=synchronous,
        durability=durability,
        deadline=deadline,
        max_seconds=max_seconds,
        on_error=on_error,
        space=search.to_json(),
        algorithm=policy_to_json(chosen),
        executor=kind if isinstance(kind, str) else type(made).__name__.lower(),
        workers=made.workers,
        threads=threads,
        bodies=bodies,
        code=code or reference_to(train),
    )
    plan = Plan.of(config)
    # Whatever the algorithm refuses is refused before anything is made.
    chosen.init(Context(Keys(seed), search, plan.population, plan.intervals))
    folder = StudyDirectory(Path(directory) if directory is not None else Path("runs") / label)
    folder.create()
    session = Session(
        config=config,
        train=train,
        space=search,
        algorithm=chosen,
        executor=made,
        directory=folder,
        check=preflight,
        held_out=held_out,
        observer=observer,
        on_preflight=on_preflight,
        interrupts=interrupts,
    )
    return session.run()


def _check_sizes(*, workers: int | None, threads: int, bodies: int | None, deadline: float | None) -> None:
    """Refuse what no executor could work with, before anything is made."""
    for name, value, least in (("workers", workers, 0), ("threads", threads, 1), ("bodies", bodies, 1)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}: pass {name}={max(1, least)}")
    if deadline is not None and not deadline > 0:
        raise ConfigError(
            f"deadline must be more than 0 seconds, got {deadline!r}: pass None for a deadline found by measuring"
        )


def _workers(executor: str | Executor, population: int) -> int:
    """Return the number of workers for who has not asked for one."""
    devices = len(visible_devices()) if executor in ("vectorised", "auto") else 0
    return max(1, min(population, devices or os.cpu_count() or 1))


def _label(train: UserCode) -> str:
    inner = getattr(train, "func", train)
    name = getattr(inner, "__name__", type(inner).__name__)
    return "study" if name == "<lambda>" else str(name)
