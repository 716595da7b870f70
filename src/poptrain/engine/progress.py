"""What a study shows of itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from poptrain.engine.plan import Plan
from poptrain.engine.population import Course

__all__ = ["Observer", "Progress", "progress_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of a running study after a decision.

    Args:
        interval: intervals that every member has completed.
        intervals: intervals each is to complete.
        scores: last selection score of each member as reported; None where it failed or has not reported.
        completed: intervals completed by each member.
        best: best selection score so far; None before the first.
        best_member: member that reported it; -1 before the first.
        best_interval: interval at which it did.
        copies: replacements so far.
        failures: failed intervals so far.
        steps: member-steps trained so far.
        total_steps: member-steps of the whole study.
        seconds: seconds trained so far, earlier runs included.
        remaining_seconds: estimate of the seconds left; None before the first interval.
    """

    interval: int
    intervals: int
    scores: tuple[float | None, ...]
    completed: tuple[int, ...]
    best: float | None
    best_member: int
    best_interval: int
    copies: int
    failures: int
    steps: int
    total_steps: int
    seconds: float
    remaining_seconds: float | None


Observer: TypeAlias = Callable[[Progress], None]
"""Called after every decision: once an interval in synchronous mode, once a report in asynchronous mode."""


def progress_of(plan: Plan, course: Course, seconds: float) -> Progress:
    """Return what a study shows of itself now."""
    sign = 1.0 if plan.mode == "max" else -1.0
    completed = tuple(row.interval for row in course.rows)
    steps = sum(completed) * plan.interval_steps
    total = plan.population * plan.intervals * plan.interval_steps
    best = course.best
    return Progress(
        interval=min(completed),
        intervals=plan.intervals,
        scores=tuple(None if row.fitness is None else sign * row.fitness for row in course.rows),
        completed=completed,
        best=None if best is None else best.score(plan.mode),
        best_member=-1 if best is None else best.ref.member,
        best_interval=-1 if best is None else best.ref.interval,
        copies=course.copies,
        failures=course.failures,
        steps=steps,
        total_steps=total,
        seconds=seconds,
        remaining_seconds=seconds / steps * (total - steps) if steps else None,
    )
