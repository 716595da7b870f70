"""`compare`: methods, seeds and a budget in; a comparison out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from poptrain.api.code import reference_to
from poptrain.comparison.campaign import Campaign, Job, terms_of
from poptrain.comparison.comparison import Comparison
from poptrain.core.report import Mode
from poptrain.space import Space
from poptrain.store.config import CodeReference
from poptrain.strategies import Algorithm
from poptrain.trainable.contracts import UserCode

__all__ = ["compare"]


def compare(
    train: UserCode,
    space: Mapping[str, Any],
    *,
    methods: Mapping[str, Algorithm[Any]],
    metric: str,
    mode: Mode = "max",
    seeds: int = 5,
    population: int = 8,
    intervals: int = 20,
    interval_steps: int = 100,
    directory: str | Path,
    baseline: str | None = None,
    reference: float | None = None,
    replay: int = 4,
    seed: int = 0,
    executor: str = "auto",
    workers: int | None = None,
    threads: int = 1,
    synchronous: bool = True,
    held_out: Any = None,
    code: CodeReference | None = None,
    on_study: Callable[[Job], Mapping[str, Any]] | None = None,
) -> Comparison:
    """Train the same networks by several methods with the same budget and seeds, and return how they compare.

    Every study has `population * intervals * interval_steps` member-steps, whatever its method does with them. The same call
    takes a comparison up where it stopped, and adds further methods or seeds to it.

    Args:
        train, space, metric, mode, population, intervals, interval_steps, executor, workers, threads, synchronous, held_out,
            code: see `poptrain.tune`.
        methods: algorithms by name; names are letters, digits, dots, dashes and underscores.
        seeds: studies of each method, >= 1; the unit of replication is a whole study.
        directory: folder for the comparison and all of its studies.
        baseline: the method that the others are compared with; None for "random" where it is there, else the first.
        reference: selection score whose first time is measured; None for the baseline's median.
        replay: fresh networks trained under the winning schedule of the first method that copies members; 0 for none. They
            are beyond the budget and stand for themselves.
        seed: the first seed, >= 0.
        on_study: called before each study is trained; returns further arguments of `poptrain.tune`, such as an observer.

    Returns:
        The comparison. If a study was paused it covers what is finished.

    Raises:
        StudyMismatch: the folder holds a comparison on other terms.
        ConfigError, TrainingFailed, ...: as `poptrain.tune`.
    """
    search = space if isinstance(space, Space) else Space(space)
    terms = terms_of(
        methods,
        labels={name: name for name in methods},
        title=code.target if code is not None else getattr(train, "__name__", "study"),
        metric=metric,
        mode=mode,
        population=population,
        intervals=intervals,
        interval_steps=interval_steps,
        space=search.to_json(),
        seeds=seeds,
        seed=seed,
        baseline=baseline or ("random" if "random" in methods else next(iter(methods), "")),
        reference=reference,
        replay=replay,
        synchronous=synchronous,
        threads=threads,
        executor=executor,
        workers=workers,
        code=code or reference_to(train),
    )
    campaign = Campaign(directory, terms, algorithms=methods)
    campaign.save()
    train_all(campaign, train, held_out=held_out, on_study=on_study)
    return campaign.comparison()


def train_all(
    campaign: Campaign, train: UserCode, *, held_out: Any = None, on_study: Callable[[Job], Mapping[str, Any]] | None = None
) -> bool:
    """Train every study of a comparison that is not finished; return False where one was paused."""
    first = True
    for job in [*campaign.jobs, None]:
        todo = campaign.replay_job if job is None else job
        if todo is None or campaign.finished(todo):
            continue
        hooks = {} if on_study is None else dict(on_study(todo))
        study = campaign.train(todo, train, held_out=held_out, **{"preflight": first, **hooks})
        if study.status == "paused":
            return False
        first = False
    return True
