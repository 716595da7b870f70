"""How different the members of the population are."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from poptrain.report.drawing import AMBER, BLUE, GREEN, PURPLE, SKY, WINNING, axes, empty, figure, sampled, text
from poptrain.results import Study
from poptrain.results.analysis import spread
from poptrain.results.diagnostics import has_order

__all__ = ["diversity"]

_TITLE = "Diversity"
_COLOURS = (BLUE, WINNING, GREEN, PURPLE, AMBER, SKY)
_DASHES = ("solid", "dash", "dot", "dashdot")


def diversity(study: Study) -> go.Figure:
    """Return the ancestors alive in each interval, and below them the spread of each hyperparameter."""
    record = study.record
    if not record.intervals:
        return empty(_TITLE, "no interval has been completed yet")
    note = (
        "Above: how many beginnings the weights of an interval descend from. Below: how far apart values lie, 0 where all are "
        "equal (standard deviation in parts of the range; for choices without an order the chance that two members differ)."
    )
    grid = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09, row_heights=[0.42, 0.58])
    made = go.Figure(grid).update_layout(figure(_TITLE, note, height=520).layout, overwrite=False)
    columns = sampled(record.intervals, 1_000)
    x, alive = columns + 1, study.ancestors_alive[columns]
    said = "interval %{x}: %{y}"
    line = {"color": BLUE, "width": 2.5, "shape": "hv"}
    made.add_trace(go.Scatter(x=x, y=alive, line=line, name="ancestors", mode="lines", hovertemplate=said), row=1, col=1)
    for number, name in enumerate(study.space.tuned):
        course = spread(record.hparams[name], ordered=has_order(study.space[name]))[columns]
        style = {"color": _COLOURS[number % len(_COLOURS)], "dash": _DASHES[number // len(_COLOURS) % len(_DASHES)], "width": 2}
        made.add_trace(
            go.Scatter(x=x, y=np.round(course, 5), line=style, mode="lines", name=text(name, most=28), hovertemplate=said),
            row=2,
            col=1,
        )
    made.update_yaxes(title_text="ancestors alive", rangemode="tozero", row=1, col=1)
    made.update_yaxes(title_text="spread", rangemode="tozero", row=2, col=1)
    made.update_xaxes(title_text="interval", row=2, col=1)
    return axes(made)
