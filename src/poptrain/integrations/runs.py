"""A study as other tools see it: one run for each member, hyperparameters and metrics as curves over steps."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from poptrain.core.events import Reported
from poptrain.core.values import Hparams, Value
from poptrain.results import Study

__all__ = ["MakeSink", "Point", "Sink", "deliver", "numbers", "texts"]


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


class Sink(Protocol):
    """What takes in a study for one tool, at once or bit by bit."""

    def add(self, name: str, first: Hparams, points: Sequence[Point]) -> None:
        """Take in further intervals of a member.

        Args:
            name: the member's, for example "m03".
            first: hyperparameters of the first of these intervals.
            points: in order.
        """
        ...

    def flush(self) -> None:
        """Let others see what was taken in."""
        ...

    def finish(self, study: Study) -> None:
        """The study is not trained any more: take in what it came to."""
        ...

    def close(self) -> None:
        """Nothing more will come for now."""
        ...


class MakeSink(Protocol):
    """Makes a sink for a study; what is in `kept` is found again by the next one that goes on with the same place."""

    def __call__(self, study: Study, where: Path, kept: MutableMapping[str, Any]) -> Sink:
        """Return the sink."""
        ...


def deliver(study: Study, reports: Iterable[Reported], sink: Sink) -> None:
    """Hand reports over to a sink, member by member."""
    width, steps = len(str(study.config.population - 1)), study.config.interval_steps
    by_member: dict[int, list[Reported]] = {}
    for report in reports:
        by_member.setdefault(report.member, []).append(report)
    for member, own in sorted(by_member.items()):
        sink.add(f"m{member:0{width}}", dict(own[0].hparams), [_point(report, steps) for report in own])


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
