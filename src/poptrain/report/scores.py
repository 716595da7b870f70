"""The scores of the population over its intervals."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from poptrain.report.drawing import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    PURPLE,
    WINNING,
    axes,
    drawn_members,
    empty,
    figure,
    lines,
    sampled,
    shown,
    text,
    winning_points,
)
from poptrain.results import Study
from poptrain.results.analysis import quiet
from poptrain.results.record import Floats

__all__ = ["scores"]

_TITLE = "Scores"
_MOST_COPIES = 600


def scores(study: Study) -> go.Figure:
    """Return best, median and worst score, each member's behind them, copies, the winning line, and the held-out score.

    The curve of the winning line counts the intervals that trained its weights, so it never goes back in time.
    """
    record = study.record
    if not np.isfinite(record.scores).any():
        return empty(_TITLE, "no member has a score yet")
    members, left_out = drawn_members(study)
    better = "higher" if study.config.mode == "max" else "lower"
    note = f"Selection scores ({text(study.config.metric)}, {better} is better) of data that the search has seen.{left_out}"
    made = figure(_TITLE, note, height=440)
    _band(made, study)
    x, y = lines(record.scores[members])
    made.add_trace(go.Scatter(x=x, y=y, mode="lines", line={"color": FAINT, "width": 1}, hoverinfo="skip", name="members"))
    _copies(made, study, set(members.tolist()))
    _winning(made, study)
    _held_out(made, study)
    made.update_xaxes(title_text="interval", range=[0.6, record.intervals + 0.4])
    made.update_yaxes(title_text=f"selection score: {text(study.config.metric, most=28)}", range=_limits(study))
    return axes(made)


def _band(made: go.Figure, study: Study) -> None:
    fitness, sign = study.record.fitness, study.record.scores
    columns = sampled(fitness.shape[1], 1_000)
    x = columns + 1
    with quiet():
        best, worst = np.nanmax(fitness[:, columns], axis=0), np.nanmin(fitness[:, columns], axis=0)
        median = np.nanmedian(sign[:, columns], axis=0)
    turn = 1.0 if study.config.mode == "max" else -1.0
    common = {"x": x, "mode": "lines", "hovertemplate": "interval %{x}<br>%{y}"}
    made.add_trace(go.Scatter(y=turn * worst, line={"color": GREY, "width": 1, "dash": "dot"}, name="worst", **common))
    shade = {"fill": "tonexty", "fillcolor": "rgba(0,114,178,0.09)"}
    made.add_trace(go.Scatter(y=turn * best, line={"color": BLUE, "width": 2}, name="best", **common, **shade))
    made.add_trace(go.Scatter(y=median, line={"color": BLUE, "width": 1.5, "dash": "dash"}, name="median", **common))


def _copies(made: go.Figure, study: Study, members: set[int]) -> None:
    values = study.record.scores
    found = [c for c in study.lineage.copies if c.weights and c.member in members and 0 < c.interval <= study.record.intervals]
    some = [found[i] for i in sampled(len(found), _MOST_COPIES)]
    marker = {"symbol": "triangle-up-open", "size": 6, "color": GREEN, "opacity": 0.7}
    made.add_trace(
        go.Scatter(
            x=[c.interval for c in some],
            y=[float(values[c.member, c.interval - 1]) for c in some],
            mode="markers",
            marker=marker,
            hovertext=[
                f"m{c.member} copied m{c.donor} after interval {c.interval}<br>{text(c.because, most=160)}" for c in some
            ],
            hoverinfo="text",
            name="copied another" if len(some) == len(found) else f"copied another ({len(some):,} of {len(found):,})",
        )
    )


def _winning(made: go.Figure, study: Study) -> None:
    points = winning_points(study)
    values = [float(study.record.scores[m, i - 1]) for m, i in points]
    made.add_trace(
        go.Scatter(
            x=list(range(1, len(points) + 1)),
            y=values,
            mode="lines",
            line={"color": WINNING, "width": 3},
            hovertext=[
                f"<b>line of the best checkpoint</b><br>m{m}, interval {i}<br>selection score {shown(v)}"
                for (m, i), v in zip(points, values, strict=True)
            ],
            hoverinfo="text",
            name="line of the best checkpoint",
        )
    )


def _held_out(made: go.Figure, study: Study) -> None:
    """Mark the held-out score where it is in the metric of the axis; it is another quantity, and is called so."""
    held, metric = study.held_out, study.config.metric
    value = None if held is None else held.metrics.get(metric)
    if held is None or value is None:
        return
    made.add_trace(
        go.Scatter(
            x=[_length(study, held.member, held.interval)],
            y=[value],
            mode="markers",
            marker={"symbol": "diamond", "size": 13, "color": PURPLE, "line": {"width": 1, "color": "white"}},
            hovertext=[f"<b>held-out score</b> of m{held.member}, interval {held.interval}<br>{text(metric)} {shown(value)}"],
            hoverinfo="text",
            name=f"held-out score {shown(value)}",
        )
    )


def _length(study: Study, member: int, interval: int) -> int:
    return sum(o.last - o.first + 1 for o in study.lineage.ancestry(member, interval))


def _limits(study: Study) -> tuple[float, float]:
    """Return the ends of the axis: all but the worst hundredth of scores, which may be far away, and the held-out score."""
    values: Floats = study.record.scores[np.isfinite(study.record.scores)]
    if study.config.mode == "max":
        low, high = float(np.quantile(values, 0.01)), float(values.max())
    else:
        low, high = float(values.min()), float(np.quantile(values, 0.99))
    held = None if study.held_out is None else study.held_out.metrics.get(study.config.metric)
    low, high = (low, high) if held is None else (min(low, held), max(high, held))
    edge = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - edge, high + edge
