"""What worked: the values of hyperparameters against the gain of one interval."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from poptrain.report.drawing import SCALE, WINNING, axes, empty, figure, logarithmic, sampled, text
from poptrain.results import Study
from poptrain.results.analysis import gains as gains_of
from poptrain.results.record import Floats, Ints
from poptrain.space import Choice

__all__ = ["gains"]

_TITLE = "What worked"
_MOST_POINTS = 12_000
_MOST_IN_MEDIANS = 100_000
_BINS = 8


def gains(study: Study) -> go.Figure:
    """Return each hyperparameter against the gain in score over one interval, with the median gain of equal parts."""
    gained = gains_of(study.record, study.lineage)
    at = np.argwhere(np.isfinite(gained))
    names = study.space.tuned
    if not len(at) or not names:
        return empty(_TITLE, "two intervals are needed to see a gain" if names else "no hyperparameter was tuned")
    some = at[sampled(len(at), max(500, _MOST_POINTS // len(names)))]
    many = at[sampled(len(at), _MOST_IN_MEDIANS)]
    left_out = f" {len(some):,} of {len(at):,} intervals are drawn." if len(some) < len(at) else ""
    left_out += f" The medians are those of {len(many):,}." if len(many) < len(at) else ""
    note = (
        "Each point is one interval of one member: what it was trained with, and how much better its score was than that of "
        f"the weights it began with (up is better). The line joins medians.{left_out}"
    )
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    grid = make_subplots(rows=rows, cols=columns, vertical_spacing=0.16 / rows * 1.6, horizontal_spacing=0.09)
    made = go.Figure(grid).update_layout(figure(_TITLE, note, height=130 + 250 * rows).layout, overwrite=False)
    limits = _limits(gained[np.isfinite(gained)])
    for number, name in enumerate(names):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        made.add_trace(_points(study, name, some, gained, first=number == 0), **place)
        made.add_trace(_medians(study, name, many, gained, first=number == 0), **place)
        made.update_xaxes(title_text=text(name, most=28), **_axis(study, name), **place)
        made.update_yaxes(range=limits, **place)
    for row in range(1, rows + 1):
        made.update_yaxes(title_text="gain", row=row, col=1)
    made.add_hline(y=0, line={"color": "rgba(128,128,128,0.6)", "width": 1, "dash": "dot"})
    return axes(made)


def _values(study: Study, name: str, at: Ints) -> Floats:
    column, domain = study.record.hparams[name], study.space[name]
    if not isinstance(domain, Choice):
        return column.numbers()[at[:, 0], at[:, 1]]
    options = list(domain.options)
    places = np.array([options.index(value) for value in column.options] + [np.nan], dtype=float)
    return np.asarray(places[column.codes[at[:, 0], at[:, 1]]], dtype=float)


def _points(study: Study, name: str, at: Ints, gained: Floats, *, first: bool) -> go.Scatter:
    bar = {"title": {"text": "interval", "side": "right"}, "thickness": 12, "outlinewidth": 0}
    marker = {"size": 5, "opacity": 0.6, "color": at[:, 1] + 1, "colorscale": SCALE, "showscale": first, "colorbar": bar}
    return go.Scatter(
        x=_values(study, name, at),
        y=gained[at[:, 0], at[:, 1]],
        customdata=at[:, 0],
        mode="markers",
        marker=marker,
        hovertemplate=f"m%{{customdata}}, interval %{{marker.color}}<br>{text(name)} %{{x}}<br>gain %{{y:.4g}}<extra></extra>",
        name="one interval",
        showlegend=False,
    )


def _medians(study: Study, name: str, at: Ints, gained: Floats, *, first: bool) -> go.Scatter:
    values, gain = _values(study, name, at), gained[at[:, 0], at[:, 1]]
    distinct = np.unique(values)
    edges = distinct if len(distinct) <= _BINS else np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[:-1]))
    bins = np.searchsorted(edges, values, side="right")
    x = [float(np.median(values[bins == b])) for b in np.unique(bins)]
    y = [float(np.median(gain[bins == b])) for b in np.unique(bins)]
    line = {"color": WINNING, "width": 2.5}
    return go.Scatter(x=x, y=y, mode="lines+markers", line=line, hoverinfo="skip", name="median", showlegend=first)


def _axis(study: Study, name: str) -> dict[str, object]:
    domain = study.space[name]
    if isinstance(domain, Choice):
        return {"tickvals": list(range(len(domain.options))), "ticktext": [text(option, most=14) for option in domain.options]}
    return {"type": "log", "dtick": 1, "exponentformat": "power"} if name in logarithmic(study) else {}


def _limits(gained: Floats) -> tuple[float, float]:
    """Return the ends of the axis of gains; single leaps and falls may lie outside."""
    low, high = np.quantile(gained, [0.02, 0.98])
    edge = 0.15 * float(high - low) or 1.0
    return min(0.0, float(low)) - edge, max(0.0, float(high)) + edge
