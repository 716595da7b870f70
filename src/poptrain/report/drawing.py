"""What all plots share: colours, layout, samples of what is too much to draw, and names as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from poptrain.core.values import Hparams, Value
from poptrain.results import Study
from poptrain.results.record import Floats, Ints
from poptrain.results.sparkline import number_text

__all__ = [
    "AMBER",
    "BLUE",
    "FAINT",
    "GREEN",
    "GREY",
    "MOST_MEMBERS",
    "PURPLE",
    "SCALE",
    "SKY",
    "WINNING",
    "alone",
    "axes",
    "drawn_members",
    "empty",
    "figure",
    "lines",
    "logarithmic",
    "sampled",
    "shown",
    "text",
    "values_text",
    "winning_points",
]

# Okabe and Ito's colours, which people who do not see all colours can tell apart, on light and on dark.
BLUE, SKY, GREEN, AMBER, WINNING, PURPLE = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7"
GREY = "rgba(128,128,128,0.75)"
FAINT = "rgba(128,128,128,0.28)"
SCALE = "Viridis"

_LINE = 150
"""Letters of a note that fit side by side above a plot of 1100 pixels."""

MOST_MEMBERS = 200
"""Members drawn at most in a plot of curves."""
_MOST_POINTS = 24_000
"""Points of faint curves at most; beyond, intervals are left out between those drawn."""


def text(value: object, *, most: int = 80) -> str:
    """Return a name as plotly shows it letter by letter: its markup is escaped, control characters are gone."""
    plain = "".join(c for c in str(value) if c.isprintable())
    return escape(plain if len(plain) <= most else plain[: most - 1] + "…", quote=False)


def values_text(hparams: Hparams) -> str:
    """Return hyperparameters as lines for plotly."""
    return "<br>".join(f"{text(name)} {shown(value)}" for name, value in hparams.items())


def shown(value: Value) -> str:
    """Return a value for plotly."""
    return text(number_text(value))


def figure(title: str, note: str, *, height: int) -> go.Figure:
    """Return an empty figure.

    Args:
        title: in words.
        note: what is drawn and what is left out.
        height: pixels.
    """
    made = go.Figure()
    made.update_layout(
        title={"text": title, "subtitle": {"text": note}},
        meta={"note": note},
        height=height,
        margin={"l": 64, "r": 24, "t": 96, "b": 56},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 13},
        hoverlabel={"align": "left"},
        hovermode="closest",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
    )
    return made


def alone(made: go.Figure) -> go.Figure:
    """Return a figure that stands outside of a page: on white, with room for its note above the legend."""
    note = textwrap.wrap(made.layout.meta["note"], _LINE)
    return go.Figure(made).update_layout(
        title={"subtitle": {"text": "<br>".join(note)}, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 14}},
        margin={"t": 92 + 19 * len(note)},
        height=made.layout.height + 19 * len(note) + 30,
        font={"color": "#1d1d22"},
        paper_bgcolor="white",
        plot_bgcolor="white",
    )


def axes(made: go.Figure) -> go.Figure:
    """Give all axes the calm look: thin grid, no frame."""
    quiet: dict[str, Any] = {"gridcolor": "rgba(128,128,128,0.18)", "zeroline": False, "linecolor": GREY, "automargin": True}
    made.update_xaxes(**quiet)
    made.update_yaxes(**quiet)
    return made


def empty(title: str, why: str) -> go.Figure:
    """Return a figure that says why there is nothing to draw."""
    made = figure(title, why, height=160)
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    made.add_annotation(text=why, showarrow=False, font={"size": 15}, xref="paper", yref="paper", x=0.5, y=0.5)
    return made


def sampled(count: int, most: int, needed: Iterable[int] = ()) -> Ints:
    """Return at most `most` of range(count), evenly spaced, and the needed ones up to half of them."""
    if count <= most:
        return np.arange(count)
    keep = sorted(set(needed))[: most // 2]
    others = np.setdiff1d(np.arange(count), keep)
    rest = others[np.linspace(0, len(others) - 1, most - len(keep)).round().astype(np.int64)]
    return np.union1d(rest, np.array(keep, dtype=np.int64))


def winning_points(study: Study) -> list[tuple[int, int]]:
    """Return (member, interval) of all intervals that led to the best checkpoint, in their order."""
    if not study.scored:
        return []
    origins = study.lineage.ancestry(study.best.member, study.best.interval)
    return [(o.member, i) for o in origins for i in range(o.first, o.last + 1)]


def drawn_members(study: Study, most: int = MOST_MEMBERS) -> tuple[Ints, str]:
    """Return the members to draw, and a sentence if they are not all."""
    population = study.config.population
    found = sampled(population, most, {member for member, _ in winning_points(study)})
    left_out = f" {len(found):,} of {population:,} members are drawn." if len(found) < population else ""
    return found, left_out


def lines(rows: Floats, *, scale: float = 1.0, from_zero: bool = False) -> tuple[Floats, Floats]:
    """Return x and y of all rows as one line with gaps; far fewer objects than a line for each.

    Args:
        rows: (members, intervals).
        scale: of x, which counts intervals from 1.
        from_zero: whether the first value holds from 0 on.
    """
    each = max(2, _MOST_POINTS // max(1, len(rows)))
    columns = sampled(rows.shape[1], each)
    x, y = (columns + 1.0) * scale, rows[:, columns]
    if from_zero:
        x, y = np.append(0.0, x), np.column_stack([rows[:, 0], y])
    return np.tile(np.append(x, np.nan), len(rows)), np.column_stack([y, np.full(len(rows), np.nan)]).ravel()


def logarithmic(study: Study) -> Sequence[str]:
    """Return the names of the hyperparameters with a logarithmic domain."""
    return [name for name, domain in study.space.items() if domain.to_json().get("log")]
