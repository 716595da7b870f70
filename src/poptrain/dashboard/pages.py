"""What the dashboard shows: pages that fetch their parts, and the parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import plotly.graph_objects as go

from poptrain.dashboard.shelf import Shelf
from poptrain.report import PLOTS
from poptrain.report.drawing import figure
from poptrain.report.page import EVENTS_NOTE, MEMBERS_NOTE, bar, commands, facts, header, plot_section, warnings
from poptrain.report.pictures import examples
from poptrain.report.tables import event_table, member_table
from poptrain.results import Study
from poptrain.results.sparkline import number_text

__all__ = ["PARTS", "comparison_figure", "index_page", "study_page", "study_table"]

PARTS: Mapping[str, Callable[[Study], str]] = {
    "header": header,
    "facts": facts,
    "warnings": warnings,
    "members": member_table,
    "events": event_table,
    "examples": examples,
    "commands": commands,
}
"""Parts of a study's page, as HTML in which every name is text."""

_TITLES = {
    "scores": "Scores",
    "lineage": "Lineage",
    "schedule": "Schedule",
    "diversity": "Diversity",
    "gains": "What worked",
    "utilisation": "Utilisation",
}
_HEIGHTS = {"scores": 420, "lineage": 560, "schedule": 700, "diversity": 520, "gains": 560, "utilisation": 260}
_MOST = 40
"""Studies in one comparison."""


def study_page(number: int, name: str, *, alone: bool, images: int) -> str:
    """Return a study's page; all of its parts are fetched by its script."""
    sections = "".join(plot_section(plot, _TITLES[plot], "", _HEIGHTS[plot]) for plot in PLOTS)
    tables = (
        f'<section id="members"><h2>Members</h2><p class="note">{MEMBERS_NOTE}</p><div data-part="members"></div></section>'
        f'<section id="events"><h2>Events</h2><p class="note">{EVENTS_NOTE}</p><div data-part="events"></div></section>'
    )
    shown = "".join(f'<p><img src="/study/{number}/pictures/{i}" alt="picture {i + 1} of the task"></p>' for i in range(images))
    gallery = f'<section id="pictures"><h2>Pictures</h2>{shown}</section>' if images else ""
    links = {**_TITLES, "members": "Members", "events": "Events"}
    back = "" if alone else '<header><p><a href="/">all studies</a></p></header>'
    body = (
        f'{back}<div data-part="header"></div>{bar(links)}<main id="content"><p class="soft" id="connection" '
        f'aria-live="polite">connecting</p><div data-part="facts"></div><div data-part="warnings"></div>{sections}{gallery}'
        f'<div data-part="examples"></div>{tables}<div data-part="commands"></div></main>'
    )
    return _page(name, f"/study/{number}/", body)


def index_page(shelf: Shelf) -> str:
    """Return the page over all studies."""
    title = escape(shelf.root.resolve().name or "poptrain")
    links = {"studies": "Studies", "comparison": "Comparison"}
    body = (
        f'<header><h1>{title}</h1></header>{bar(links)}<main id="content">'
        '<p class="soft" id="connection" aria-live="polite">connecting</p>'
        '<section id="studies"><h2>Studies</h2><div data-part="studies"></div></section>'
        '<section id="comparison"><h2>Best selection score so far</h2><p class="note"><strong>One line for each study that has '
        "the same metric as the first.</strong></p>"
        '<div class="plot" data-plot="comparison" style="min-height:420px" role="img" aria-label="comparison plot"></div>'
        '<div class="detail" id="detail-comparison" aria-live="polite"></div></section></main>'
    )
    return _page(shelf.root.resolve().name or "poptrain", "/", body)


def study_table(rows: list[tuple[int, str, Study | str]]) -> str:
    """Return the table of studies; a text instead of a study says why it cannot be read."""
    heads = ("study", "status", "algorithm", "done", "best selection score", "held-out score", "steps")
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(_study_row(number, name, found) for number, name, found in rows)
    if not rows:
        return '<p class="soft">There is no study in this folder yet.</p>'
    return f'<div class="scroll"><table class="plain"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def comparison_figure(studies: list[tuple[str, Study]]) -> go.Figure:
    """Return the best selection score so far against the member-steps spent, one line a study."""
    made = figure("Best selection score so far", "", height=420)
    metric = studies[0][1].config.metric if studies else ""
    for name, study in [pair for pair in studies if pair[1].config.metric == metric][:_MOST]:
        steps, best, higher = 0, None, study.config.mode == "max"
        xs: list[int] = []
        ys: list[float] = []
        for report in study.reports():
            steps += report.steps
            if report.score is not None and (best is None or (report.score > best if higher else report.score < best)):
                best = report.score
                xs.append(steps)
                ys.append(best)
        if best is not None:
            xs.append(study.steps)
            ys.append(best)
        made.add_scatter(x=xs, y=ys, name=escape(name), mode="lines", line_shape="hv")
    made.update_xaxes(title_text="member-steps")
    made.update_yaxes(title_text=escape(metric))
    made.update_layout(showlegend=len(made.data) <= 12)  # more names than that are read by hovering
    return made


def _study_row(number: int, name: str, found: Study | str) -> str:
    if isinstance(found, str):
        return f'<tr class="failed"><td>{escape(name)}</td><td colspan="6">{escape(found)}</td></tr>'
    config = found.config
    done = sum(found.completed) / (config.population * config.intervals)
    best = f"{config.metric} {number_text(found.best.score)}" if found.scored else "none yet"
    held = (
        ""
        if found.held_out is None
        else "  ".join(f"{k} {number_text(v)}" for k, v in list(found.held_out.metrics.items())[:1])
    )
    algorithm = str(config.algorithm.get("class", "")).rpartition(":")[2] if isinstance(config.algorithm, dict) else ""
    cells = [f'<span class="status {found.status}">{found.status}</span>']
    cells += [escape(text) for text in (algorithm, f"{done:.0%}", best, held, f"{found.steps:,}")]
    return f'<tr><td><a href="/study/{number}/">{escape(name)}</a></td>' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"


def _page(title: str, base: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · poptrain</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/assets/page.css"></head>'
        f'<body data-base="{base}"><a class="skip" href="#content">Skip to the content</a>{body}'
        '<script src="/assets/plotly.js"></script><script src="/assets/page.js"></script>'
        '<script src="/assets/live.js"></script></body></html>\n'
    )
