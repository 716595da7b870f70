"""`poptrain compare`: was it worth it?"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from poptrain.cli.conduct import Conduct
from poptrain.cli.options import AsJson, ExecutorOption, Quiet, Workers
from poptrain.cli.run import algorithm_asked, space_asked
from poptrain.cli.settings import Asked, parse_sets, read_config
from poptrain.cli.target import Target, code_of, load_target, name_of
from poptrain.cli.terminal import columns, counted, duration, number, say, say_json, table
from poptrain.comparison.campaign import Campaign, Job, Terms, terms_of
from poptrain.comparison.methods import METHODS, Setting, algorithms_of, as_configuration
from poptrain.comparison.page import page_of, replay_sentence
from poptrain.comparison.picture import save_picture
from poptrain.comparison.table import head, reference_line, text_rows, to_csv
from poptrain.comparison.warnings import warnings_of
from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.rng import Keys
from poptrain.results import Study
from poptrain.space import Space
from poptrain.store.config import CodeReference
from poptrain.store.files import write_whole
from poptrain.strategies import Context
from poptrain.tasks.base import TASKS

__all__ = ["compare"]

_BUDGET, _RESOURCES = "Budget", "Resources"


def compare(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="A built-in task, FILE.py:FUNCTION, MODULE:FUNCTION; or the folder of a comparison, to go on with it. The "
            "configuration may name it.",
            show_default=False,
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods", "-m", help=f"Names with commas between them: {', '.join(METHODS)}. Default: pbt,random,grid,bayesian."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", "-k", min=1, help="Studies of each method. Default: 5.", show_default=False)
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="Folder of the comparison. Default: runs/compare-NAME.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="TOML file as for poptrain run; its algorithm is the method 'pbt'. Flags win."),
    ] = None,
    manual: Annotated[
        list[str] | None,
        typer.Option(
            "--manual",
            metavar="NAME=VALUE,...",
            help="A configuration by hand, for the method 'manual'. Repeatable. Default: the task's own, where it has some.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", "-b", help="Method that the others are compared with. Default: random, or the first."),
    ] = None,
    reference: Annotated[
        float | None,
        typer.Option("--reference", help="Selection score whose first time is measured. Default: the baseline's median."),
    ] = None,
    replay: Annotated[
        int | None,
        typer.Option("--replay", min=0, help="Fresh networks to train under PBT's best schedule. Default: 4; 0 for none."),
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting of the task. Repeatable.")
    ] = None,
    population: Annotated[
        int | None,
        typer.Option("--population", "-p", min=1, help="Members. Default: the task's, or 8.", rich_help_panel=_BUDGET),
    ] = None,
    intervals: Annotated[
        int | None,
        typer.Option("--intervals", "-i", min=1, help="Intervals. Default: the task's, or 20.", rich_help_panel=_BUDGET),
    ] = None,
    interval_steps: Annotated[
        int | None,
        typer.Option("--interval-steps", min=1, help="Steps. Default: the task's, or 100.", rich_help_panel=_BUDGET),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, help="Member-steps of each study, in place of intervals.", rich_help_panel=_BUDGET),
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Metric that selects. Default: the target's.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="max or min. Default: the target's, or max.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first seed.")] = 0,
    executor: ExecutorOption = None,
    workers: Workers = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train by several methods with the same budget and seeds, and say how they compare and how sure that is.

    Writes comparison.html, curves.png, curves.svg, studies.csv and results.json into the folder. The same command
    goes on where it stopped; with more seeds or further methods it trains only what is new.
    """
    if target is not None and target not in TASKS and Campaign.exists(Path(target)):
        options = {"methods": methods, "directory": directory, "config": config, "manual": manual, "baseline": baseline}
        sizes = {"population": population, "intervals": intervals, "interval-steps": interval_steps, "budget": budget}
        _refuse(
            {**options, **sizes, "set": sets, "metric": metric, "mode": mode, "reference": reference, "replay": replay}, target
        )
        campaign = _reopened(Path(target), seeds=seeds, executor=executor and executor.value, workers=workers)
        loaded = load_target(campaign.terms.code, campaign.directory)
    else:
        asked = Asked(
            target=target,
            directory=None if directory is None else str(directory),
            metric=metric,
            mode=mode,
            population=population,
            intervals=intervals,
            interval_steps=interval_steps,
            settings=parse_sets(sets or []),
            executor=None if executor is None else executor.value,
            workers=workers,
        )
        asked = asked if config is None else asked.over(read_config(config))
        code = _code(asked)
        folder = Path(asked.directory) if asked.directory is not None else Path("runs") / f"compare-{name_of(code)}"
        loaded = load_target(code, folder)
        found = _sizes(loaded, asked, budget, by_flag=intervals is not None)
        space = _space(asked, loaded)
        chosen = algorithms_of(
            (methods or "pbt,random,grid,bayesian").replace(" ", "").split(","),
            Setting(
                space=space,
                population=found["population"],
                intervals=found["intervals"],
                suggested=algorithm_asked(asked, loaded),
                manual=[as_configuration(text, space) for text in manual] if manual else loaded.manual,
            ),
        )
        for algorithm in chosen.values():  # whatever one of them refuses is refused before anything is trained
            algorithm.init(Context(Keys(seed), space, found["population"], found["intervals"]))
        terms = terms_of(
            chosen,
            labels={name: METHODS[name].label for name in chosen},
            title=name_of(code),
            metric=_metric(asked, loaded),
            mode=_mode(asked.mode or loaded.mode or "max"),
            space=space.to_json(),
            seeds=5 if seeds is None else seeds,
            seed=seed,
            baseline=baseline or ("random" if "random" in chosen else next(iter(chosen))),
            reference=reference,
            replay=4 if replay is None else replay,
            executor=asked.executor or "auto",
            workers=asked.workers,
            code=code,
            **found,
        )
        campaign = Campaign(folder, terms)
        campaign.save()
    _train(campaign, loaded, quiet=quiet, as_json=as_json)
    _show(campaign, as_json=as_json)


def _refuse(options: Mapping[str, Any], folder: str) -> None:
    """Refuse options that the comparison in a folder has already decided."""
    given = [f"--{name}" for name, value in options.items() if value not in (None, [])]
    if given:
        raise ConfigError(
            f"{folder} holds a comparison that knows its {', '.join(given)}: leave that out, or name the task to add to it"
        )


def _reopened(folder: Path, *, seeds: int | None, executor: str | None, workers: int | None) -> Campaign:
    """Return the comparison in a folder, with more seeds or other workers where they are asked for."""
    terms = Campaign(folder).terms
    changes: dict[str, Any] = {"executor": executor, "workers": workers}
    if seeds is not None:
        changes["seeds"] = max(seeds, terms.seeds)
    campaign = Campaign(folder, replace(terms, **{name: value for name, value in changes.items() if value is not None}))
    campaign.save()
    return campaign


def _code(asked: Asked) -> CodeReference:
    if asked.target is None:
        raise ConfigError("name what to train: a task (see poptrain tasks), FILE.py:FUNCTION or MODULE:FUNCTION")
    return code_of(asked.target, asked.settings)


def _sizes(target: Target, asked: Asked, budget: int | None, *, by_flag: bool) -> dict[str, int]:
    """Return population, intervals and interval_steps."""
    usual = {"population": 8, "intervals": 20, "interval_steps": 100}
    found = {name: getattr(asked, name) or getattr(target, name) or usual[name] for name in usual}
    if budget is None:
        return found
    if by_flag:
        raise ConfigError("--budget and --intervals say the same thing twice: leave one of them out")
    round_steps = found["population"] * found["interval_steps"]
    if budget < round_steps:
        raise ConfigError(
            f"a budget of {budget} member-steps is less than one interval of {found['population']} members with "
            f"{found['interval_steps']} steps each: pass --budget {round_steps} or more, or fewer members or steps"
        )
    return {**found, "intervals": budget // round_steps}


def _space(asked: Asked, target: Target) -> Space:
    found = space_asked(asked, target)
    return found if isinstance(found, Space) else Space(found)


def _metric(asked: Asked, target: Target) -> str:
    found = asked.metric or target.metric
    if found is None:
        raise ConfigError(f"{asked.target} does not say which metric selects: pass --metric NAME, or define METRIC beside it")
    return found


def _mode(mode: str) -> Any:
    if mode not in ("max", "min"):
        raise ConfigError(f"mode must be max or min, got {mode!r}")
    return mode


def _train(campaign: Campaign, target: Target, *, quiet: bool, as_json: bool) -> None:
    """Train every study that is not finished, and the replay."""
    terms, silent = campaign.terms, quiet or not sys.stderr.isatty()
    if not quiet:
        for line in (*target.about, _plan_line(terms)):
            say(line, err=as_json)
    total, first = len(campaign.jobs), True
    for count, job in enumerate([*campaign.jobs, None], start=1):
        todo = campaign.replay_job if job is None else job
        if todo is None or campaign.finished(todo):
            continue
        place = "the replay" if job is None else f"study {count} of {total}"
        title = f"{place}: {terms.labels.get(todo.method, 'fresh networks under the best schedule')}, seed {todo.seed}"
        study = _train_one(campaign, todo, target, title=title, quiet=silent, as_json=as_json, preflight=first)
        first = False
        if not quiet:
            say(f"{title}: {_came_to(study)}", err=as_json)


def _train_one(
    campaign: Campaign, job: Job, target: Target, *, title: str, quiet: bool, as_json: bool, preflight: bool
) -> Study:
    conduct = Conduct(
        directory=job.directory,
        metric=campaign.terms.metric,
        mode=campaign.terms.mode,
        title=title,
        quiet=quiet,
        json=as_json,
        go_on=_again(campaign),
    )
    return conduct.train(
        lambda **hooks: campaign.train(job, target.train, held_out=target.held_out, preflight=preflight, **hooks)
    )


def _came_to(study: Study) -> str:
    score = f"best selection score {number(study.best.score)}" if study.scored else "no score"
    held = {} if study.held_out is None else study.held_out.metrics
    more = "".join(f", held-out {name} {number(value)}" for name, value in held.items() if name == study.config.metric)
    return f"{score}{more}, {duration(study.seconds)}"


def _plan_line(terms: Terms) -> str:
    each = f"{counted(terms.population, 'member')}, {counted(terms.intervals, 'interval')} of {terms.interval_steps} steps"
    studies = f"{counted(len(terms.methods), 'method')}, {counted(terms.seeds, 'seed')} each"
    return f"{studies}, {terms.budget} member-steps a study ({each})"


def _again(campaign: Campaign) -> str:
    return f"poptrain compare {shlex.quote(str(campaign.directory))}"


def _show(campaign: Campaign, *, as_json: bool) -> None:
    """Print the comparison, and write it into its folder."""
    comparison = campaign.comparison()
    warnings = warnings_of(campaign)
    found = {
        **comparison.to_json(),
        "replay": replay_sentence(campaign),
        "warnings": [asdict(warning) for warning in warnings],
        "directory": str(campaign.directory),
    }
    written = _write(campaign, found)
    if as_json:
        say_json(found)
        return
    say()
    for line in table(head(comparison), text_rows(comparison), width=columns()):
        say(line)
    say(reference_line(comparison))
    say()
    for sentence in comparison.sentences:
        say(sentence)
    if found["replay"]:
        say(found["replay"])
    for warning in warnings:
        where = f"{comparison.labels[warning.method]}, {len(warning.seeds)} of {campaign.terms.seeds} seeds"
        say(f"\nwarning ({warning.kind}; {where}): {warning.text}\n  {warning.remedy}")
    say(f"\nwritten to {campaign.directory}: {', '.join(written)}")


def _write(campaign: Campaign, found: dict[str, Any]) -> list[str]:
    """Write the results into the comparison's folder; return the names of the files."""
    folder, comparison = campaign.directory, campaign.comparison()
    write_whole(folder / "studies.csv", to_csv(comparison).encode())
    write_whole(folder / "results.json", json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False).encode())
    names = ["studies.csv", "results.json"]
    try:
        write_whole(folder / "comparison.html", page_of(campaign, command=_again(campaign)).encode())
        for name in ("curves.png", "curves.svg"):
            save_picture(comparison, folder / name)
    except MissingExtra as error:
        say(f"no curves: {error}", err=True)
        return names
    return ["comparison.html", "curves.png", "curves.svg", *names]
