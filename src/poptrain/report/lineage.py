"""Who copied whom: intervals across, members down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from poptrain.core.events import Replaced
from poptrain.core.values import Hparams
from poptrain.report.drawing import (
    FAINT,
    GREY,
    SCALE,
    WINNING,
    axes,
    drawn_members,
    empty,
    figure,
    sampled,
    shown,
    text,
    winning_points,
)
from poptrain.results import Study

__all__ = ["lineage"]

_TITLE = "Lineage"
_MOST_POINTS = 8_000
_MOST_COPIES = 1_500
_MOST_ROWS = 200


@dataclass(frozen=True)
class _Grid:
    """What is drawn: `rows` gives each drawn member its line, `columns` are intervals counted from 1."""

    rows: dict[int, int]
    columns: tuple[int, ...]
    path: list[tuple[int, int]]


def lineage(study: Study) -> go.Figure:
    """Return members down and intervals across, copies as branches, points coloured by score, the winning line in bold."""
    if not study.record.intervals:
        return empty(_TITLE, "no interval has been completed yet")
    grid, note = _grid(study)
    copies, left_out = _copies(study, grid)
    made = figure(_TITLE, f"Each row is a member; a slanted line is a copy of weights.{note}{left_out}", height=_height(grid))
    made.add_trace(_tracks(study, grid))
    made.add_trace(_branches(copies, grid))
    made.add_trace(_winning(grid))
    made.add_trace(_points(study, grid))
    for trace in (_failed(study, grid), _restarts(study, grid)):
        if len(trace.x):
            made.add_trace(trace)
    if study.scored:
        made.add_trace(_best(study, grid))
    shown_rows = list(grid.rows)
    some = sampled(len(shown_rows), 40)
    made.update_xaxes(title_text="interval of the member", range=[0.4, study.record.intervals + 0.6])
    made.update_yaxes(
        tickvals=some, ticktext=[f"m{shown_rows[i]}" for i in some], range=[len(shown_rows) - 0.4, -0.6], showgrid=False
    )
    return axes(made)


def _grid(study: Study) -> tuple[_Grid, str]:
    members, note = drawn_members(study, _MOST_ROWS)
    intervals, path = study.record.intervals, winning_points(study)
    columns = sampled(intervals, max(20, _MOST_POINTS // len(members)), {i - 1 for _, i in path[-1:]}) + 1
    if len(columns) < intervals:
        note += f" Points stand at {len(columns):,} of {intervals:,} intervals."
    return _Grid({int(m): row for row, m in enumerate(members)}, tuple(columns.tolist()), path), note


def _height(grid: _Grid) -> int:
    return int(min(1100, max(260, 150 + 30 * len(grid.rows))))


def _copies(study: Study, grid: _Grid) -> tuple[list[Replaced], str]:
    found = [c for c in study.lineage.copies if c.weights and c.member in grid.rows and c.donor in grid.rows]
    if len(found) <= _MOST_COPIES:
        return found, ""
    some = sampled(len(found), _MOST_COPIES)
    return [found[i] for i in some], f" {_MOST_COPIES:,} of {len(found):,} copies among them are drawn."


def _tracks(study: Study, grid: _Grid) -> go.Scatter:
    x, y = [], []
    for member, row in grid.rows.items():
        x += [1.0, float(max(1, study.completed[member])), np.nan]
        y += [float(row), float(row), np.nan]
    return go.Scatter(
        x=np.array(x), y=np.array(y), mode="lines", line={"color": FAINT, "width": 1}, hoverinfo="skip", showlegend=False
    )


def _branches(copies: Sequence[Replaced], grid: _Grid) -> go.Scatter:
    x, y = [], []
    for copy in copies:
        x += [float(copy.donor_interval), copy.interval + 1.0, np.nan]
        y += [float(grid.rows[copy.donor]), float(grid.rows[copy.member]), np.nan]
    colour = GREY if len(copies) < 200 else FAINT
    line = {"color": colour, "width": 1.5 if len(copies) < 200 else 0.8}
    return go.Scatter(x=np.array(x), y=np.array(y), mode="lines", line=line, hoverinfo="skip", name="copy of weights")


def _winning(grid: _Grid) -> go.Scatter:
    points = [(i, grid.rows[m]) for m, i in grid.path if m in grid.rows]
    x, y = [i for i, _ in points], [row for _, row in points]
    line = {"color": WINNING, "width": 5}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", name="led to the best checkpoint")


def _points(study: Study, grid: _Grid) -> go.Scatter:
    scores, low, high = study.record.scores, *_limits(study)
    at = [(m, i) for m in grid.rows for i in grid.columns if np.isfinite(scores[m, i - 1])]
    arrivals = {(c.member, c.interval + 1): c for c in study.lineage.copies if c.member in grid.rows}
    size = float(np.clip(460 / max(len(grid.rows), len(grid.columns) * 0.55), 3.5, 12))
    marker = {
        "size": size,
        "color": [float(scores[m, i - 1]) for m, i in at],
        "colorscale": SCALE,
        "reversescale": study.config.mode == "min",
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "title": {"text": text(study.config.metric, most=24), "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
        },
        "line": {"width": 0.6, "color": GREY},
    }
    return go.Scatter(
        x=[i for _, i in at],
        y=[grid.rows[m] for m, _ in at],
        mode="markers",
        marker=marker,
        hovertext=[_about(study, m, i, arrivals.get((m, i))) for m, i in at],
        hoverinfo="text",
        name="score",
        showlegend=False,
    )


def _limits(study: Study) -> tuple[float, float]:
    """Return the ends of the colours: all but the worst quarter of scores, so that what is good does not look alike."""
    scores = study.record.scores[np.isfinite(study.record.scores)]
    if not len(scores):
        return 0.0, 1.0
    ends = (0.25, 1.0) if study.config.mode == "max" else (0.0, 0.75)
    low, high = (float(end) for end in np.quantile(scores, ends))
    return low, high if high > low else low + 1.0


def _about(study: Study, member: int, interval: int, copy: Replaced | None) -> str:
    hparams = _hparams(study, member, interval)
    score = study.record.scores[member, interval - 1]
    said = [f"<b>m{member} after interval {interval}</b>", f"{text(study.config.metric)} {shown(float(score))}"]
    said += [f"{text(name)} {shown(value)}" for name, value in hparams.items()]
    return "<br>".join(said + (_arrival(study, copy) if copy is not None else []))


def _arrival(study: Study, copy: Replaced) -> list[str]:
    """Return what a member took over before an interval, and what explore changed."""
    source = _hparams(study, copy.donor, copy.donor_interval)
    what = "weights" if copy.weights else "hyperparameters"
    own = copy.donor == copy.member
    said = [f"before it: {'went on from its own' if own else 'copied'} {what} of m{copy.donor}, interval {copy.donor_interval}"]
    moved = {name: value for name, value in copy.hparams.items() if source.get(name, value) != value}
    said += [f"explore: {text(name)} {shown(source[name])} → {shown(value)}" for name, value in moved.items()]
    return said


def _hparams(study: Study, member: int, interval: int) -> Hparams:
    if not 0 < interval <= study.record.intervals:
        return {}
    codes = {name: int(column.codes[member, interval - 1]) for name, column in study.record.hparams.items()}
    return {name: study.record.hparams[name].options[code] for name, code in codes.items() if code >= 0}


def _failed(study: Study, grid: _Grid) -> go.Scatter:
    at = sorted((m, i) for m, i in study.lineage.failed if m in grid.rows)
    return go.Scatter(
        x=[i for _, i in at],
        y=[grid.rows[m] for m, _ in at],
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": WINNING},
        hovertext=[f"<b>m{m}, interval {i}: failed</b>" for m, i in at],
        hoverinfo="text",
        name="failed",
    )


def _restarts(study: Study, grid: _Grid) -> go.Scatter:
    found = [r for r in study.lineage.restarts if r.member in grid.rows]
    return go.Scatter(
        x=[r.interval + 0.6 for r in found],
        y=[grid.rows[r.member] for r in found],
        mode="markers",
        marker={"symbol": "circle-open", "size": 11, "color": GREY, "line": {"width": 2}},
        hovertext=[f"<b>m{r.member} began anew after interval {r.interval}</b><br>{text(r.because, most=160)}" for r in found],
        hoverinfo="text",
        name="began anew",
    )


def _best(study: Study, grid: _Grid) -> go.Scatter:
    best = study.best
    row = grid.rows.get(best.member)
    at = ([] if row is None else [best.interval], [] if row is None else [row])
    marker = {"symbol": "star", "size": 18, "color": WINNING, "line": {"color": "white", "width": 1}}
    return go.Scatter(x=at[0], y=at[1], mode="markers", marker=marker, hoverinfo="skip", name="best checkpoint")
