"""What one study of a comparison came to, read from its journal."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from poptrain.core.events import Reported
from poptrain.core.report import Mode
from poptrain.results import Study

__all__ = ["Curve", "Outcome", "outcome_of"]


@dataclass(frozen=True, slots=True)
class Curve:
    """The best selection score so far, as the budget is spent; one entry wherever it rose.

    Args:
        steps: member-steps charged until then, rising.
        seconds: seconds in which anybody trained until then.
        scores: the best score so far.
    """

    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    scores: tuple[float, ...]

    def at(self, steps: float) -> float:
        """Return the best score after so many member-steps; NaN before the first."""
        place = bisect_right(self.steps, steps)
        return self.scores[place - 1] if place else math.nan

    def reaches(self, score: float, mode: Mode) -> tuple[int, float] | None:
        """Return the member-steps and the seconds after which a score was reached; None for never."""
        for steps, seconds, found in zip(self.steps, self.seconds, self.scores, strict=True):
            if found >= score if mode == "max" else found <= score:
                return steps, seconds
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One study.

    Args:
        method: its name in the comparison.
        seed: root of the study's randomness.
        finished: whether it reached its end.
        selection: its best selection score; None where every interval failed.
        held_out: scores of the best checkpoint on data that no selection saw; empty where there are none.
        steps: member-steps charged.
        seconds: seconds in which anybody trained.
        curve: the best selection score so far.
    """

    method: str
    seed: int
    finished: bool
    selection: float | None
    held_out: dict[str, float]
    steps: int
    seconds: float
    curve: Curve


def outcome_of(study: Study, *, method: str) -> Outcome:
    """Return what a study came to."""
    curve, seconds = _curve(study)
    held = {} if study.held_out is None else study.held_out.metrics
    return Outcome(
        method,
        study.config.seed,
        study.status == "finished",
        study.best.score if study.scored else None,
        {name: value for name, value in held.items() if value is not None},
        study.steps,
        seconds,
        curve,
    )


def _curve(study: Study) -> tuple[Curve, float]:
    """Return the curve, and all seconds in which anybody trained."""
    reports = study.reports()
    if study.config.synchronous:
        reports.sort(key=lambda report: (report.interval, report.member))  # who arrived first is no result
    higher = study.config.mode == "max"
    steps, best = 0, math.nan
    points: list[tuple[int, float, float]] = []
    clock = 0.0
    for report, own in zip(reports, _busy_seconds(reports), strict=True):
        steps += report.steps
        clock = max(clock, own)
        better = report.score is not None and (math.isnan(best) or (report.score > best if higher else report.score < best))
        if better and report.score is not None:
            best = report.score
            points.append((steps, clock, best))
    curve = Curve(tuple(p[0] for p in points), tuple(p[1] for p in points), tuple(p[2] for p in points))
    return curve, clock


def _busy_seconds(reports: Sequence[Reported]) -> list[float]:
    """Return for each report the seconds until its end in which at least one member trained: pauses do not count."""
    begins: list[float] = []
    ends: list[float] = []
    for began, ended in sorted((report.began, report.ended) for report in reports):
        if ends and began <= ends[-1]:
            ends[-1] = max(ends[-1], ended)
        else:
            begins.append(began)
            ends.append(ended)
    before = [0.0, *accumulate(ended - began for began, ended in zip(begins, ends, strict=True))]
    found = []
    for report in reports:
        place = bisect_right(begins, report.ended) - 1
        found.append(before[place] + report.ended - begins[place])
    return found
