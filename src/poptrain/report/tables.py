"""Members and events as HTML tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from poptrain.core.events import Failed, Finished, Paused, Replaced, Restarted, Resumed
from poptrain.core.report import fitness_of
from poptrain.core.values import Value
from poptrain.results import MemberView, Study
from poptrain.results.sparkline import number_text

__all__ = ["event_table", "member_table"]

_MOST_ROWS = 2_000
_OTHERS = (Replaced, Restarted, Paused, Resumed, Finished)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell: its text, and what it is sorted by where that is a number."""

    text: str
    sort: float | None = None
    long: bool = False


def member_table(study: Study) -> str:
    """Return every member as it last reported, failed ones first, then from best to worst."""
    given = Counter(copy.donor for copy in study.lineage.copies if copy.donor != copy.member)
    failures = Counter(failure.member for failure in study.failures)
    names = list(study.space)
    heads = ["member", "intervals", "selection score", "copies taken", "copies given", "failures", *names]

    def key(member: MemberView) -> tuple[bool, float]:
        fitness = fitness_of(member.score, study.config.mode)
        return (not _failed(member), math.inf if math.isnan(fitness) else -fitness)

    rows = [(_member(m, given[m.member], failures[m.member], names), _failed(m)) for m in sorted(study.members(), key=key)]
    numeric = [True] * 6 + [_numeric(member[0][6 + n].sort for member in rows) for n in range(len(names))]
    return _table("members", heads, numeric, rows)


def event_table(study: Study) -> str:
    """Return what happened: failures first, then copies, restarts and interruptions, the latest first."""
    failures = study.happenings(Failed, latest=_MOST_ROWS)[::-1]
    others = study.happenings(*_OTHERS, latest=_MOST_ROWS)[::-1]
    heads = ["what", "member", "interval", "time (UTC)", "details"]
    rows = [(_event(at, event), isinstance(event, Failed)) for at, event in (failures + others)[:_MOST_ROWS]]
    note = ""
    if len(failures) + len(others) > len(rows) or len(others) == _MOST_ROWS:
        note = f"{len(rows):,} events are listed, the latest failures and then the latest others; there may be more."
    return _table("events", heads, [False, True, True, False, False], rows, note)


def _failed(member: MemberView) -> bool:
    return member.interval > 0 and member.score is None


def _member(member: MemberView, given: int, failures: int, names: Sequence[str]) -> list[_Cell]:
    score = "failed" if _failed(member) else "" if member.score is None else f"{member.score:.6g}"
    counts = [_count(member.copies), _count(given), _count(failures)]
    fixed = [_Cell(f"m{member.member}", member.member), _count(member.interval), _Cell(score, member.score), *counts]
    return fixed + [_value(member.hparams.get(name)) for name in names]


def _value(value: Value) -> _Cell:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return _Cell(number_text(value), number)


def _count(count: int) -> _Cell:
    return _Cell(f"{count:,}", count)


def _numeric(sorts: Iterable[float | None]) -> bool:
    return any(sort is not None for sort in sorts)


def _event(at: float, event: Any) -> list[_Cell]:
    what, details = _said(event)
    member = _Cell(f"m{event.member}", event.member) if event.member >= 0 else _Cell("")
    interval = _count(event.interval) if event.interval >= 0 else _Cell("")
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return [_Cell(what), member, interval, _Cell(moment), _Cell(details, long=True)]


def _said(event: Any) -> tuple[str, str]:
    if isinstance(event, Failed):
        return f"failed: {event.reason}", event.detail
    if isinstance(event, Replaced):
        return ("copied weights" if event.weights else "changed hyperparameters"), event.because
    return {Restarted: "began anew", Paused: "paused", Resumed: "resumed", Finished: "finished"}[type(event)], event.because


def _table(
    name: str, heads: Sequence[str], numeric: Sequence[bool], rows: Sequence[tuple[list[_Cell], bool]], note: str = ""
) -> str:
    head = "".join(
        f'<th scope="col"{_class("number" if n else "")}><button type="button">{escape(h)}</button></th>'
        for h, n in zip(heads, numeric, strict=True)
    )
    body = "".join(
        f"<tr{_class('failed' if failed else '')}>{''.join(_td(c, n) for c, n in zip(row, numeric, strict=True))}</tr>"
        for row, failed in rows
    )
    tools = (
        f'<div class="tools"><label for="filter-{name}">Filter</label><input id="filter-{name}" type="search" '
        f'placeholder="words that a row must have"><span class="soft" id="count-{name}" aria-live="polite"></span></div>'
    )
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return (
        f'{said}{tools}<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f'<table data-filter="filter-{name}" data-count="count-{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _td(cell: _Cell, numeric: bool) -> str:
    sort = f' data-sort="{cell.sort!r}"' if cell.sort is not None else ' data-sort=""' if numeric else ""
    return f"<td{_class('long' if cell.long else 'number' if numeric else '')}{sort}>{escape(cell.text)}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
