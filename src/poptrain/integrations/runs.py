"""A study as other tools see it: one run for each member, hyperparameters and metrics as curves over steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poptrain.core.events import Reported
from poptrain.core.values import Hparams, Value
from poptrain.results import Study

__all__ = ["Point", "Run", "numbers", "runs_of", "texts"]


@dataclass(frozen=True, slots=True)
class Point:
    """One interval of one member.

    Args:
        step: steps the member has trained.
        seconds: seconds since 1970 at which the interval ended.
        values: `selection_score` (as reported), `metric.NAME` and, for numbers, `hparam.NAME`.
    """

    step: int
    seconds: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """One member.

    Args:
        member: its number.
        name: for example "m03".
        first: the hyperparameters that it began with.
        points: its intervals, in order.
    """

    member: int
    name: str
    first: Hparams
    points: tuple[Point, ...]


def runs_of(study: Study) -> Iterator[Run]:
    """Yield the members that have reported, in their order."""
    width = len(str(study.config.population - 1))
    for member in range(study.config.population):
        reports = study.reports(member)
        if reports:
            points = tuple(_point(report, study.config.interval_steps) for report in reports)
            yield Run(member, f"m{member:0{width}}", dict(reports[0].hparams), points)


def numbers(hparams: Hparams) -> dict[str, float]:
    """Return the numbers among hyperparameters; True and False count as 1 and 0."""
    return {name: float(value) for name, value in hparams.items() if isinstance(value, (bool, int, float))}


def texts(hparams: Hparams) -> dict[str, Value]:
    """Return hyperparameters as plain values that any tool takes: None becomes a text."""
    return {name: "none" if value is None else value for name, value in hparams.items()}


def _point(report: Reported, interval_steps: int) -> Point:
    score = {} if report.score is None else {"selection_score": report.score}
    metrics = {f"metric.{name}": value for name, value in report.metrics.items() if value is not None}
    hparams = {f"hparam.{name}": value for name, value in numbers(report.hparams).items()}
    return Point(report.interval * interval_steps, report.ended, {**score, **metrics, **hparams})
