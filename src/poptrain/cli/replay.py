"""`poptrain replay`: whether a schedule is worth something without the population that found it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Any

import typer

from poptrain.cli.conduct import Conduct
from poptrain.cli.options import AsJson, ExecutorName, ExecutorOption, Quiet, StudyArgument, Workers, check_study
from poptrain.cli.target import load_target
from poptrain.cli.terminal import counted, labelled, number, say, say_json
from poptrain.core.errors import ConfigError
from poptrain.results import Study
from poptrain.strategies import Replay

__all__ = ["replay"]


def replay(
    directory: StudyArgument,
    seeds: Annotated[int, typer.Option("--seeds", "-k", min=1, help="Fresh networks to train under the schedule.")] = 4,
    output: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help="Folder of the new study. Default: STUDY-replay.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Root of the new study's randomness. Default: the old one plus 1.")
    ] = None,
    executor: ExecutorOption = None,
    workers: Workers = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train fresh networks from scratch under the schedule that a study found, and compare their scores with its best."""
    from poptrain.api import tune

    original = Study.open(check_study(directory))
    folder = output or original.directory.with_name(original.directory.name + "-replay")
    if folder.resolve() == original.directory.resolve():
        raise ConfigError(f"a replay is a study of its own, {folder} is the original: choose another directory")
    options = _options(original, seeds, seed)
    options |= {} if workers is None else {"workers": workers}
    options |= {} if executor is None else {"executor": executor.value}
    target = load_target(original.config.code, folder)
    conduct = Conduct(
        directory=folder,
        metric=original.config.metric,
        mode=original.config.mode,
        title=f"replay of {original.name} in {folder}",
        quiet=quiet,
        json=as_json,
        about=(
            f"training {counted(seeds, 'fresh network')} for {original.schedule.steps} steps under the schedule of {directory}",
        ),
    )
    study = conduct.train(lambda **hooks: tune(target.train, original.space, directory=folder, **options, **hooks))
    _show(original, study, as_json=as_json)


def _options(original: Study, seeds: int, seed: int | None) -> dict[str, Any]:
    """Return the arguments of `tune` for a replay."""
    config, schedule = original.config, original.schedule
    algorithm = Replay.of(schedule, config.interval_steps)
    kept = ("metric", "mode", "interval_steps", "durability", "deadline", "on_error", "threads", "bodies")
    return {
        **{name: getattr(config, name) for name in kept},
        "executor": config.executor if config.executor in tuple(ExecutorName) else "auto",
        "population": seeds,
        "intervals": schedule.steps // config.interval_steps,
        "seed": config.seed + 1 if seed is None else seed,
        "algorithm": algorithm,
        "name": f"{config.name}-replay",
        "code": config.code,
    }


def _show(original: Study, study: Study, *, as_json: bool) -> None:
    scores = [member.score for member in study.members()]
    healthy = [score for score in scores if score is not None]
    best = original.best
    if as_json:
        found = {"directory": str(study.directory), "status": study.status, "selection_scores": scores}
        say_json({**found, "original": {"directory": str(original.directory), "best_selection_score": best.score}})
        return
    metric, config = original.config.metric, original.config
    spread = f" ± {number(statistics.stdev(healthy))}" if len(healthy) > 1 else ""
    mean = f"{number(statistics.fmean(healthy))}{spread}" if healthy else "all failed"
    rows = [
        ("fresh networks", f"{metric} {mean}   ({'  '.join('failed' if s is None else number(s) for s in scores)})"),
        (
            "original",
            f"{metric} {number(best.score)}   (the best of {config.population * config.intervals} scores)",
        ),
        ("study", str(study.directory)),
    ]
    for line in [f"selection scores after {study.config.intervals} intervals", *labelled(rows)]:
        say(line)
