"""`poptrain run`: train a population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from poptrain.cli.conduct import Conduct
from poptrain.cli.options import AsJson, ExecutorOption, Live, MaxSeconds, Quiet, Workers, check_study
from poptrain.cli.policies import algorithm_of
from poptrain.cli.settings import Asked, parse_sets, read_config
from poptrain.cli.target import Target, code_of, load_target, name_of
from poptrain.core.errors import ConfigError, StudyMismatch
from poptrain.results import Study
from poptrain.space import Space
from poptrain.store.config import CodeReference
from poptrain.store.directory import StudyDirectory
from poptrain.strategies import Algorithm
from poptrain.tasks.run import make_settings

__all__ = ["algorithm_asked", "run", "space_asked", "start"]

_BUDGET, _SEARCH, _RESOURCES, _SAFETY = "Budget", "Selection and search", "Resources", "Safety"


class ModeName(StrEnum):
    """Which scores are better."""

    max = "max"
    min = "min"


class AlgorithmName(StrEnum):
    """How hyperparameters are chosen."""

    pbt = "pbt"
    pb2 = "pb2"
    bg_pbt = "bg-pbt"
    mf_pbt = "mf-pbt"
    fire_pbt = "fire-pbt"
    restarts = "restarts"
    pairwise = "pairwise"
    swarm = "swarm"
    random = "random"
    grid = "grid"
    bayesian = "bayesian"
    halving = "halving"
    asha = "asha"


class OnErrorName(StrEnum):
    """What an exception in the training code means."""

    stop = "stop"
    diverge = "diverge"


def run(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="A built-in task (see poptrain tasks), FILE.py:FUNCTION or MODULE:FUNCTION. The configuration may name it.",
            show_default=False,
        ),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help="Folder of the study; an existing study goes on. Default: runs/NAME."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="TOML file with options (written with underscores), the task's settings in a table \\[settings] and the "
            "search space in a table \\[space]. Flags win.",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting of the task (see poptrain tasks TASK). Repeatable."),
    ] = None,
    population: Annotated[
        int | None,
        typer.Option("--population", "-p", min=1, help="Members. Default: the task's, or 8.", rich_help_panel=_BUDGET),
    ] = None,
    intervals: Annotated[
        int | None,
        typer.Option(
            "--intervals",
            "-i",
            min=1,
            help="Intervals that each member trains. Default: the task's, or 20.",
            rich_help_panel=_BUDGET,
        ),
    ] = None,
    interval_steps: Annotated[
        int | None,
        typer.Option(
            "--interval-steps", min=1, help="Steps of an interval. Default: the task's, or 100.", rich_help_panel=_BUDGET
        ),
    ] = None,
    max_seconds: MaxSeconds = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "-m", help="The reported metric that selects. Default: the task's, or METRIC.", rich_help_panel=_SEARCH
        ),
    ] = None,
    mode: Annotated[
        ModeName | None,
        typer.Option("--mode", help="Whether higher or lower is better. Default: the task's, or max.", rich_help_panel=_SEARCH),
    ] = None,
    algorithm: Annotated[
        AlgorithmName | None,
        typer.Option(
            "--algorithm",
            "-a",
            help="How hyperparameters are chosen. Default: the task's, or pbt.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    exploit: Annotated[
        str | None,
        typer.Option(
            "--exploit",
            metavar="NAME[:NUMBER]",
            help="Who copies whom: truncation:QUANTILE, t-test:P, tournament, dead-band:DEVIATIONS,MARGIN, none. "
            "Default: the task's, or truncation:0.2.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    explore: Annotated[
        str | None,
        typer.Option(
            "--explore",
            metavar="NAME[:NUMBERS][+...]",
            help="What a copy changes: perturb:FACTORS, resample:PROBABILITY, additive:SD, none; joined by a plus sign. "
            "Default: the task's, or resample:0.25+perturb:0.8,1.2.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    control: Annotated[
        int | None,
        typer.Option("--control", min=0, help="Members that never copy, to compare with. Default: 0.", rich_help_panel=_SEARCH),
    ] = None,
    objectives: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            metavar="NAME:max|min",
            help="Rank members by several metrics together (non-dominated sorting): one of them. Repeatable.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            "--initial",
            metavar="STUDY",
            help="Begin half of the members with the best hyperparameters of this study, such as a random search.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    ready_interval: Annotated[
        int | None,
        typer.Option(
            "--ready-interval", min=1, help="Intervals between two chances to copy. Default: 1.", rich_help_panel=_SEARCH
        ),
    ] = None,
    asynchronous: Annotated[
        bool,
        typer.Option(
            "--asynchronous", help="Members never wait for each other; order then decides too.", rich_help_panel=_SEARCH
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Root of all randomness. Default: 0.", rich_help_panel=_SEARCH)
    ] = None,
    executor: ExecutorOption = None,
    workers: Workers = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, help="Threads of numeric libraries in each worker. Default: 1.", rich_help_panel=_RESOURCES
        ),
    ] = None,
    durability: Annotated[
        float | None,
        typer.Option(
            "--durability",
            min=0,
            help="Seconds after which results are on disk (more for very big states); 0: after every interval. Default: 1.",
            rich_help_panel=_SAFETY,
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            "--deadline",
            help="Seconds after which an interval counts as stuck. Default: 20 times the slowest, at least 600.",
            rich_help_panel=_SAFETY,
        ),
    ] = None,
    on_error: Annotated[
        OnErrorName | None,
        typer.Option(
            "--on-error",
            help="An exception in the training code stops the study, or counts as diverged. Default: stop.",
            rich_help_panel=_SAFETY,
        ),
    ] = None,
    no_preflight: Annotated[
        bool,
        typer.Option("--no-preflight", help="Do not check first that a member survives a restore.", rich_help_panel=_SAFETY),
    ] = False,
    live: Live = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a population, or go on with the study in the folder.

    Examples:

    poptrain run toy

    poptrain run translation -d runs/demo --population 16 --set model=lstm

    poptrain run train.py:train --metric accuracy --config study.toml
    """
    flags = Asked(
        target=target,
        directory=None if directory is None else str(directory),
        metric=metric,
        mode=_value(mode),
        population=population,
        intervals=intervals,
        interval_steps=interval_steps,
        algorithm=_value(algorithm),
        exploit=exploit,
        explore=explore,
        ready_interval=ready_interval,
        control=control,
        objectives=objectives or [],
        initial=None if initial is None else str(initial),
        executor=_value(executor),
        workers=workers,
        threads=threads,
        seed=seed,
        synchronous=False if asynchronous else None,
        durability=durability,
        deadline=deadline,
        max_seconds=max_seconds,
        on_error=_value(on_error),
        preflight=False if no_preflight else None,
        settings=parse_sets(sets or ()),
    )
    asked = flags if config is None else flags.over(read_config(config))
    start(asked, live=[tool.value for tool in live or ()], quiet=quiet, as_json=as_json)


def start(asked: Asked, *, live: Sequence[str] = (), quiet: bool, as_json: bool) -> None:
    """Begin the study that is asked for, or go on with it, and print its result.

    Raises:
        ConfigError: something is missing or wrong; the message says what to add.
    """
    from poptrain.api import tune

    if asked.target is None:
        raise ConfigError("name what to train: a task (see poptrain tasks), FILE.py:FUNCTION or MODULE:FUNCTION")
    code = code_of(asked.target, asked.settings)
    directory = Path(asked.directory) if asked.directory is not None else Path("runs") / name_of(code)
    _check_same_code(directory, code)
    target = load_target(code, directory)
    options = _options(asked, target)
    conduct = Conduct(
        directory=directory,
        metric=options["metric"],
        mode=options["mode"],
        title=f"{name_of(code)} in {directory}",
        quiet=quiet,
        json=as_json,
        live=tuple(live),
        about=(*target.about, *_standing(directory)),
    )
    study = conduct.train(
        lambda **hooks: tune(
            target.train, space_asked(asked, target), directory=directory, name=name_of(code), code=code, **options, **hooks
        )
    )
    conduct.show_result(study)


def _options(asked: Asked, target: Target) -> dict[str, Any]:
    """Return the arguments of `tune` that options and target decide together."""
    metric = asked.metric or target.metric
    if metric is None:
        raise ConfigError(f"{asked.target} does not say which metric selects: pass --metric NAME, or define METRIC beside it")
    suggested = {
        name: value for name in ("population", "intervals", "interval_steps") if (value := getattr(target, name)) is not None
    }
    return {
        **suggested,
        **asked.options(),
        "metric": metric,
        "mode": asked.mode or target.mode or "max",
        "held_out": target.held_out,
        "algorithm": algorithm_asked(asked, target),
    }


def algorithm_asked(asked: Asked, target: Target) -> Algorithm[Any] | None:
    """Return the algorithm that options and target decide together; None for PBT with its defaults."""
    return algorithm_of(
        target.algorithm,
        algorithm=asked.algorithm,
        exploit=asked.exploit,
        explore=asked.explore,
        ready_interval=asked.ready_interval,
        control=asked.control,
        objectives=asked.objectives,
        initial=_initial(asked, target),
    )


def _initial(asked: Asked, target: Target) -> list[dict[str, Any]] | None:
    """Return the best hyperparameters of the study that is to begin with, for half of the members."""
    if asked.initial is None:
        return None
    population = asked.population or target.population or 8
    found = Study.open(check_study(Path(asked.initial))).top(max(1, population // 2))
    if not found:
        raise ConfigError(f"{asked.initial} has no score yet, so nothing to begin with: train it first")
    return found


def space_asked(asked: Asked, target: Target) -> Any:
    """Return the search space of the options, or the target's."""
    if asked.space is not None:
        return Space.from_json(asked.space)
    if target.space is None:
        raise ConfigError(
            f"{asked.target} has no search space: define SPACE = {{...}} beside it, or a table [space] in the configuration, "
            'as in lr = {type = "float", low = 1e-4, high = 1.0, log = true}'
        )
    return target.space


def _check_same_code(directory: Path, code: CodeReference) -> None:
    """Refuse to go on with a study of another task, or of other settings."""
    if not StudyDirectory(directory).exists():
        return
    before = Study.open(directory).config.code
    mine, theirs = (before.kind, before.target, before.name), (code.kind, code.target, code.name)
    if mine != theirs:
        raise StudyMismatch(
            f"{directory} holds a study of {before.target}{before.name and ':' + before.name}, asked for is "
            f"{code.target}{code.name and ':' + code.name}: choose another directory"
        )
    if code.kind != "task":
        return
    old, new = make_settings(code.target, before.settings), make_settings(code.target, code.settings)
    for name in (field.name for field in fields(old)):
        had, wanted = getattr(old, name), getattr(new, name)
        if had != wanted:
            raise StudyMismatch(
                f"{directory} holds a study with {name}={had!r}, asked for is {name}={wanted!r}: "
                f"ask for the same, or choose another directory"
            )


def _standing(directory: Path) -> tuple[str, ...]:
    if not StudyDirectory(directory).exists():
        return ()
    study = Study.open(directory)
    done = f"{min(study.completed, default=0)} of {study.config.intervals} intervals"
    return (f"going on with the study in {directory}: {done}",)


def _value(choice: StrEnum | None) -> str | None:
    return None if choice is None else str(choice.value)
