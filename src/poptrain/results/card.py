"""A study in a notebook: a summary in HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from poptrain.results.sparkline import number_text

if TYPE_CHECKING:
    from poptrain.results.study import Study

__all__ = ["card"]

_BOX = "display:inline-block;border:1px solid #8886;border-radius:10px;padding:.8em 1.2em;font-family:system-ui,sans-serif"


def card(study: Study) -> str:
    """Return a summary without scripts, in which every name and value is text."""
    config = study.config
    total = config.population * config.intervals
    rows = [
        ("status", study.status + (f": {study.because}" if study.because else "")),
        ("budget", f"{sum(study.completed)} of {total} member-intervals, {config.population} members"),
        ("copies", f"{study.copies}" + (f", {len(study.failures)} failures" if study.failures else "")),
    ]
    if study.scored:
        best = study.best
        where = f"m{best.member} after interval {best.interval}"
        rows += [
            ("best selection score", f"{config.metric} {number_text(best.score)} ({where})"),
            ("hyperparameters", ", ".join(f"{name}={number_text(value)}" for name, value in best.hparams.items())),
        ]
    held = study.held_out
    values = [] if held is None else [f"{name} {number_text(value)}" for name, value in held.metrics.items()]
    rows.append(("held-out score", ", ".join(values) or "not measured; the selection score flatters"))
    body = "".join(
        f'<tr><th style="text-align:left;font-weight:400;opacity:.7">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f'<div style="{_BOX}"><strong>{escape(study.name)}</strong><table>{body}</table></div>'
