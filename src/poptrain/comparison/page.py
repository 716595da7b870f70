"""A comparison as one HTML file that needs neither network nor script."""

from __future__ import annotations

import base64
import hashlib
import re
import statistics
from collections.abc import Iterable, Sequence
from html import escape

from poptrain.comparison.campaign import Campaign
from poptrain.comparison.comparison import Comparison, number
from poptrain.comparison.picture import svg_of
from poptrain.comparison.table import head, reference_line, text_rows
from poptrain.comparison.warnings import warnings_of
from poptrain.results import Study

__all__ = ["page_of", "replay_sentence"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d7dce1; --paper: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #a3adb8; --line: #39414a; --paper: #14181c; --card: #1d2329; } }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p.soft, figcaption, td.soft { color: var(--soft); font-size: .9rem; }
ul { padding-left: 1.2rem; } li { margin: .35rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .55rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 0; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: .5rem; }
figure svg { width: 100%; height: auto; display: block; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem; overflow-x: auto;
  font-size: .82rem; line-height: 1.35; }
""".strip()


def page_of(campaign: Campaign, *, command: str) -> str:
    """Return the page: sentences, table, curves, winning schedules, the replay, and how it was made.

    Args:
        campaign: with at least one finished study.
        command: the command line that makes the comparison.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    comparison = campaign.comparison()
    title = f"{comparison.title}: {', '.join(comparison.labels[row.method] for row in comparison.rows)}"
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    # matplotlib styles each line by an attribute, which a policy can only allow as a whole.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; style-src-attr 'unsafe-inline'; img-src data:"
    sections = [
        _summary(campaign, comparison),
        f'<h2>Scores</h2><div class="wide">{_table(head(comparison), text_rows(comparison))}</div>{_reading(comparison)}',
        f"<h2>Curves</h2><figure>{_bare(svg_of(comparison))}</figure>",
        _warnings(campaign, comparison),
        _schedules(campaign, comparison),
        _replay(campaign),
        f"<h2>How it was made</h2><pre>{escape(command)}</pre>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )


def replay_sentence(campaign: Campaign) -> str | None:
    """Return how fresh networks did under the winning schedule; None where there is no replay."""
    replay = campaign.replay()
    winner = None if campaign.replayed is None else campaign.winner(campaign.replayed)
    if replay is None or winner is None:
        return None
    scores = [member.score for member in replay.members() if member.score is not None]
    label = campaign.terms.labels[campaign.replayed or ""]
    if not scores:
        return f"under the best schedule of {label} every fresh network failed"
    spread = f" ± {number(statistics.stdev(scores))}" if len(scores) > 1 else ""
    count = f"{len(scores)} fresh network{'' if len(scores) == 1 else 's'}"
    return (
        f"{count} trained under the best schedule of {label} came to a selection score of {number(statistics.fmean(scores))}"
        f"{spread}; the study that found it has {number(winner.best.score)}"
    )


def _summary(campaign: Campaign, comparison: Comparison) -> str:
    terms = campaign.terms
    sentences = [*comparison.sentences, *([found] if (found := replay_sentence(campaign)) else [])]
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    budget = (
        f"Every study has {terms.budget} member-steps: {terms.population} members, {terms.intervals} intervals of "
        f"{terms.interval_steps} steps. {'Higher' if terms.mode == 'max' else 'Lower'} {terms.metric} is better."
    )
    return f'<h1>{escape(comparison.title)}</h1><p class="soft">{escape(budget)}</p><ul>{items}</ul>'


def _reading(comparison: Comparison) -> str:
    held = (
        "The held-out score is measured once, on data that no selection saw. "
        if comparison.held_out_metric
        else "No held-out score was measured, so every score here flatters. "
    )
    text = (
        f"The best selection score is the highest of very many and flatters the method that measured most. {held}"
        f"{_sentence(reference_line(comparison))}Square brackets hold 95 % bootstrap intervals over seeds; p is of the exact "
        "paired sign-flip test, two-sided."
    )
    return f'<p class="soft">{escape(text)}</p>'


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _warnings(campaign: Campaign, comparison: Comparison) -> str:
    items = "".join(
        f"<li>{escape(comparison.labels[w.method])}, {len(w.seeds)} of {campaign.terms.seeds} seeds: {escape(w.text)} "
        f"<em>{escape(w.remedy)}</em></li>"
        for w in warnings_of(campaign)
    )
    return f"<h2>Warnings</h2><ul>{items}</ul>" if items else ""


def _schedules(campaign: Campaign, comparison: Comparison) -> str:
    parts = []
    for row in comparison.rows:
        winner = campaign.winner(row.method)
        if winner is not None:
            text = winner.schedule.render(_logarithmic(winner), width=48)
            parts.append(f"<p>{escape(comparison.labels[row.method])}, seed {winner.config.seed}</p><pre>{escape(text)}</pre>")
    return f"<h2>Winning schedules</h2>{''.join(parts)}" if parts else ""


def _replay(campaign: Campaign) -> str:
    sentence = replay_sentence(campaign)
    return f"<h2>Replay of the schedule</h2><p>{escape(sentence)}.</p>" if sentence else ""


def _logarithmic(study: Study) -> list[str]:
    return [name for name, domain in study.space.items() if domain.to_json().get("log")]


def _bare(svg: str) -> str:
    """Return an SVG without what the page does not need: rules of style, which its policy refuses, and metadata."""
    for name in ("style", "metadata"):
        svg = re.sub(rf"<{name}\b.*?</{name}>", "", svg, flags=re.DOTALL)
    return svg
