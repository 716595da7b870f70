"""A comparison as rows of text: for the terminal, for CSV, for the page."""

from __future__ import annotations

import csv
import io

from poptrain.comparison.comparison import Comparison, Reach, Row, number
from poptrain.comparison.statistics import Estimate

__all__ = ["head", "reference_line", "text_rows", "to_csv"]


def head(comparison: Comparison) -> list[str]:
    """Return the table's headings; held-out scores and selection scores have columns of their own."""
    held = [f"held-out {comparison.held_out_metric}"] if comparison.held_out_metric else []
    reach = [] if comparison.reference_score is None else ["reached reference", "steps until then", "seconds until then"]
    return ["method", f"best selection {comparison.metric}", *held, *reach, "steps", "seconds"]


def text_rows(comparison: Comparison) -> list[list[str]]:
    """Return a row of cells for each method, in the order of `head`."""
    return [_cells(comparison, row) for row in comparison.rows]


def reference_line(comparison: Comparison) -> str:
    """Return what the reference is; empty where there is none."""
    score = comparison.reference_score
    if score is None:
        return ""
    whose = "as asked for" if comparison.reference is not None else f"the median of {comparison.labels[comparison.baseline]}"
    return f"reference: a selection score of {number(score)}, {whose}; steps and seconds are medians over the seeds"


def to_csv(comparison: Comparison) -> str:
    """Return one line for each study: method, seed, best_selection_score, held_out.NAME, steps, seconds."""
    names = sorted({name for outcome in comparison.outcomes for name in outcome.held_out})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", "seed", "best_selection_score", *(f"held_out.{name}" for name in names), "steps", "seconds"])
    for o in comparison.outcomes:
        writer.writerow([o.method, o.seed, o.selection, *(o.held_out.get(name) for name in names), o.steps, o.seconds])
    return out.getvalue()


def _cells(comparison: Comparison, row: Row) -> list[str]:
    failed = f" ({row.failed} without a score)" if row.failed else ""
    held = [_estimate(row.held_out)] if comparison.held_out_metric else []
    reach = [] if row.reach is None else _reach(row.reach, row.seeds)
    label = comparison.labels[row.method]
    return [label, f"{_estimate(row.selection)}{failed}", *held, *reach, str(row.steps), number(row.seconds)]


def _reach(reach: Reach, seeds: int) -> list[str]:
    steps = "-" if reach.steps is None else f"{reach.steps:.0f}"
    seconds = "-" if reach.seconds is None else number(reach.seconds)
    return [f"{reach.seeds} of {seeds}", steps, seconds]


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "-"
    interval = "" if found.low is None or found.high is None else f" [{number(found.low)}, {number(found.high)}]"
    return f"{number(found.mean)}{interval}"
