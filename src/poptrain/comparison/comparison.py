"""Methods side by side: outcomes in, a table, paired differences and plain sentences out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from poptrain.comparison.outcomes import Outcome
from poptrain.comparison.statistics import Estimate, Paired, estimate, paired
from poptrain.core.errors import ConfigError
from poptrain.core.report import Mode

__all__ = ["Band", "Comparison", "Reach", "Row", "number"]

_POINTS = 160
"""Budgets at which curves are compared."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How soon a method reached the reference score.

    Args:
        seeds: number of seeds in which it did.
        steps, seconds: median over all seeds; None where half of them or more never did.
    """

    seeds: int
    steps: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One method.

    Args:
        method: its name.
        seeds: number of its finished studies.
        failed: number of them without any score.
        selection: best selection scores; None where every study failed.
        held_out: scores of the best checkpoints on held-out data; None where they were not measured.
        reach: how soon the reference score was reached; None where there is no reference.
        steps: member-steps of each study.
        seconds: mean seconds of a study.
    """

    method: str
    seeds: int
    failed: int
    selection: Estimate | None
    held_out: Estimate | None
    reach: Reach | None
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Band:
    """A method's best selection score so far against the member-steps spent.

    Args:
        method: its name.
        steps: member-steps, rising.
        mean: over the seeds.
        low, high: lowest and highest of the seeds.
    """

    method: str
    steps: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Finished studies of several methods on the same seeds and the same budget.

    Args:
        title: what was trained.
        metric, mode: what selects.
        outcomes: of all studies, finished ones and others.
        labels: methods in words, in the order of the table.
        baseline: the method that the others are compared with.
        reference: selection score to be reached; None for the baseline's median.
    """

    title: str
    metric: str
    mode: Mode
    outcomes: tuple[Outcome, ...]
    labels: Mapping[str, str]
    baseline: str
    reference: float | None = None

    def __post_init__(self) -> None:
        if self.baseline not in self.labels:
            raise ConfigError(f"the baseline {self.baseline!r} is not compared: choose among {', '.join(self.labels)}")

    # What is compared.

    @cached_property
    def held_out_metric(self) -> str:
        """The metric on held-out data: the selection metric's own where it was measured, else the first; empty for none."""
        names = [name for outcome in self._finished for name in outcome.held_out]
        return self.metric if self.metric in names else (names[0] if names else "")

    @cached_property
    def judged_by(self) -> str:
        """ "held-out" where every scored study has such a score, else "selection"."""
        scored = [o for o in self._finished if o.selection is not None]
        measured = bool(self.held_out_metric) and all(self.held_out_metric in o.held_out for o in scored)
        return "held-out" if measured and scored and self.held_out_metric == self.metric else "selection"

    @cached_property
    def reference_score(self) -> float | None:
        """The selection score whose first time is measured; None while the baseline has none."""
        if self.reference is not None:
            return self.reference
        found = [o.selection for o in self.of(self.baseline) if o.selection is not None]
        return statistics.median(found) if found else None

    def of(self, method: str) -> list[Outcome]:
        """Return a method's finished studies by seed."""
        return sorted((o for o in self._finished if o.method == method), key=lambda o: o.seed)

    # What came out.

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row for each method that has a finished study."""
        return tuple(self._row(method) for method in self.labels if self.of(method))

    def against(self, method: str, other: str) -> Paired | None:
        """Return a method's lead on another one, on the seeds where both have a score; None where there are none."""
        mine, theirs = self._scores(method), self._scores(other)
        seeds = sorted(set(mine) & set(theirs))
        return paired([mine[s] for s in seeds], [theirs[s] for s in seeds]) if seeds else None

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """What the data say about each method against the baseline, and no more."""
        return tuple(self.sentence(row.method) for row in self.rows if row.method != self.baseline)

    def sentence(self, method: str) -> str:
        """Return a method against the baseline in plain words."""
        mine, other = self.labels[method], self.labels[self.baseline]
        found = self.against(method, self.baseline)
        if found is None:
            return f"{mine} and {other} have no seed with a score in common"
        d, seeds = found.difference, _counted(found.pairs)
        if not d.mean:
            return f"{mine} and {other} come to the same mean in {seeds}"
        place, count = ("ahead of", found.ahead) if d.mean > 0 else ("behind", found.behind)
        interval = "" if d.low is None or d.high is None else f" [{number(d.low)}, {number(d.high)}]"
        gap = f"difference {number(d.mean)} {self.metric} ({self.judged_by}){interval}"
        return f"{mine} {place} {other} in {count} of {seeds}, {gap}, {_verdict(found)}"

    def bands(self) -> tuple[Band, ...]:
        """Return the curves of all methods with a score."""
        most = max((o.steps for o in self._finished), default=0)
        return tuple(found for row in self.rows if (found := self._band(row.method, most)) is not None)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "title": self.title,
            "metric": self.metric,
            "mode": self.mode,
            "judged_by": self.judged_by,
            "held_out_metric": self.held_out_metric or None,
            "baseline": self.baseline,
            "reference_score": self.reference_score,
            "methods": [_row_json(row, self.labels[row.method]) for row in self.rows],
            "against_baseline": {row.method: self._paired_json(row.method) for row in self.rows if row.method != self.baseline},
            "sentences": list(self.sentences),
            "studies": [_outcome_json(outcome) for outcome in self.outcomes],
        }

    # How it is computed.

    @cached_property
    def _finished(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.finished)

    def _scores(self, method: str) -> dict[int, float]:
        """Return what a method's studies are judged by, by seed, oriented so that higher is better."""
        sign = 1.0 if self.mode == "max" else -1.0
        held = self.judged_by == "held-out"
        found = {o.seed: o.held_out.get(self.held_out_metric) if held else o.selection for o in self.of(method)}
        return {seed: sign * score for seed, score in found.items() if score is not None}

    def _row(self, method: str) -> Row:
        outcomes = self.of(method)
        chosen = [o.selection for o in outcomes if o.selection is not None]
        held = [o.held_out[self.held_out_metric] for o in outcomes if self.held_out_metric in o.held_out]
        return Row(
            method,
            len(outcomes),
            len(outcomes) - len(chosen),
            estimate(chosen) if chosen else None,
            estimate(held) if held else None,
            None if self.reference_score is None else self._reach(outcomes, self.reference_score),
            max(o.steps for o in outcomes),
            statistics.fmean(o.seconds for o in outcomes),
        )

    def _reach(self, outcomes: Sequence[Outcome], score: float) -> Reach:
        times = [o.curve.reaches(score, self.mode) or (math.inf, math.inf) for o in outcomes]
        steps, seconds = (statistics.median(column) for column in zip(*times, strict=True))
        reached = sum(math.isfinite(t[0]) for t in times)
        return Reach(reached, steps if math.isfinite(steps) else None, seconds if math.isfinite(seconds) else None)

    def _band(self, method: str, most: int) -> Band | None:
        curves = [o.curve for o in self.of(method) if o.curve.steps]
        if not curves:
            return None
        first = max(curve.steps[0] for curve in curves)
        at = [first + (most - first) * i / (_POINTS - 1) for i in range(_POINTS)]
        columns = [[curve.at(steps) for curve in curves] for steps in at]
        mean, low, high = ([f(column) for column in columns] for f in (statistics.fmean, min, max))
        return Band(method, tuple(at), tuple(mean), tuple(low), tuple(high))

    def _paired_json(self, method: str) -> dict[str, Any] | None:
        found = self.against(method, self.baseline)
        if found is None:
            return None
        d = found.difference
        return {
            "difference": d.mean,
            "interval_95": None if d.low is None else [d.low, d.high],
            "seeds": found.pairs,
            "ahead": found.ahead,
            "behind": found.behind,
            "p": found.p,
        }


def number(value: float) -> str:
    """Return a number in three or four digits.

    Example:
        >>> number(0.98765), number(-1.23456), number(43210.0), number(0.0)
        ('0.9877', '-1.235', '43210', '0')
    """
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _verdict(found: Paired) -> str:
    if found.p is None or found.least_p is None:
        return "one seed says nothing about another"
    text = f"p = {found.p:.2g}"
    if found.p < 0.05:
        return text
    if found.least_p >= 0.05:
        return f"{text} (so few seeds cannot give less than {found.least_p:.2g})"
    return f"{text}: these seeds do not settle it"


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'' if seeds == 1 else 's'}"


def _estimate_json(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "mean": found.mean,
        "interval_95": None if found.low is None else [found.low, found.high],
        "values": list(found.values),
    }


def _row_json(row: Row, label: str) -> dict[str, Any]:
    reach = row.reach
    return {
        "method": row.method,
        "label": label,
        "seeds": row.seeds,
        "failed": row.failed,
        "best_selection_score": _estimate_json(row.selection),
        "held_out_score": _estimate_json(row.held_out),
        "reached_reference": None
        if reach is None
        else {"seeds": reach.seeds, "median_steps": reach.steps, "median_seconds": reach.seconds},
        "steps": row.steps,
        "seconds": row.seconds,
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "method": outcome.method,
        "seed": outcome.seed,
        "finished": outcome.finished,
        "best_selection_score": outcome.selection,
        "held_out": outcome.held_out,
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "curve": {"steps": list(outcome.curve.steps), "best_selection_score": list(outcome.curve.scores)},
    }
