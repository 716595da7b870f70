"""Each hyperparameter along the line of weights that won."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from poptrain.core.values import Value
from poptrain.report.drawing import FAINT, WINNING, axes, drawn_members, empty, figure, lines, logarithmic, text
from poptrain.results import Study
from poptrain.space import Choice

__all__ = ["schedule"]

_TITLE = "Schedule"


def schedule(study: Study) -> go.Figure:
    """Return one row for each hyperparameter: the winning schedule over its steps, the members' values behind it."""
    names, spans = study.space.tuned, study.schedule.spans
    if not names or not study.record.intervals:
        return empty(_TITLE, "no interval has been completed yet" if names else "no hyperparameter was tuned")
    members, left_out = drawn_members(study)
    note = "In bold the values that trained the best checkpoint; behind them the population's, by each member's own steps."
    note += left_out
    made = figure(_TITLE, note, height=110 + 150 * len(names))
    grid = make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=min(0.06, 0.3 / len(names)))
    made = go.Figure(grid).update_layout(made.layout, overwrite=False)
    for row, name in enumerate(names, start=1):
        x, y = lines(_heights(study, name)[members], scale=float(study.config.interval_steps), from_zero=True)
        behind = {"color": FAINT, "width": 1, "shape": "vh"}
        first = row == 1
        made.add_trace(
            go.Scatter(x=x, y=y, mode="lines", line=behind, hoverinfo="skip", name="population", showlegend=first),
            row=row,
            col=1,
        )
        edges = [step for span in spans for step in (span.start_step, span.end_step, None)]
        values = [_height(study, name, span.hparams[name]) for span in spans]
        heights = [height for value in values for height in (value, value, None)]
        made.add_trace(
            go.Scatter(
                x=edges[:-1],
                y=heights[:-1],
                mode="lines",
                connectgaps=True,
                line={"color": WINNING, "width": 3},
                hovertemplate=f"{text(name)} %{{y}}<br>step %{{x}}<extra></extra>",
                name="winning schedule",
                showlegend=first,
            ),
            row=row,
            col=1,
        )
        made.update_yaxes(title_text=text(name, most=22), row=row, col=1, **_axis(study, name))
    made.update_xaxes(title_text="steps", row=len(names), col=1)
    return axes(made)


def _options(study: Study, name: str) -> Sequence[Value] | None:
    domain = study.space[name]
    return list(domain.options) if isinstance(domain, Choice) else None


def _heights(study: Study, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return (members, intervals) values, or for choices the numbers of the options."""
    column, options = study.record.hparams[name], _options(study, name)
    if options is None:
        return column.numbers()
    places = np.array([options.index(value) for value in column.options] + [np.nan], dtype=float)
    return np.asarray(places[column.codes], dtype=float)


def _height(study: Study, name: str, value: Value) -> float:
    options = _options(study, name)
    return float(value) if options is None else float(options.index(value))  # type: ignore[arg-type]


def _axis(study: Study, name: str) -> dict[str, object]:
    options = _options(study, name)
    if options is not None:
        return {"tickvals": list(range(len(options))), "ticktext": [text(option, most=20) for option in options]}
    return {"type": "log", "dtick": 1, "exponentformat": "power"} if name in logarithmic(study) else {}
