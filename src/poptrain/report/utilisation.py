"""What the workers did over time, as far as the journal knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from poptrain.core.events import Resumed
from poptrain.report.drawing import BLUE, FAINT, SKY, WINNING, axes, empty, figure
from poptrain.results import Study

__all__ = ["utilisation"]

_TITLE = "Utilisation"
_MOST_BARS = 3_000
_MOST_WORKERS = 32
_COLOURS = {"train": BLUE, "evaluate": SKY, "failed": WINNING, "wait": FAINT}


@dataclass(frozen=True, slots=True)
class _Bar:
    """A worker did something from `began` to `ended` (seconds since the first interval began)."""

    worker: int
    kind: str
    began: float
    ended: float
    about: str


def utilisation(study: Study) -> go.Figure:
    """Return a line for each worker: training, evaluation, failed intervals, and what lies between.

    Only intervals' beginnings and ends and the seconds of evaluation (in the class form) are recorded: saving, loading and
    waiting for others are one thing, called waiting. Pauses of the study are left white.
    """
    blocks = _blocks(study)
    if not blocks:
        return empty(_TITLE, "no interval with times has been completed yet")
    workers = sorted(blocks)[:_MOST_WORKERS]
    shown = {worker: _merged(blocks[worker], _MOST_BARS // len(workers)) for worker in workers}
    bars = [bar for worker in workers for bar in _bars(worker, shown[worker], _resumed(study))]
    notes = [_busy(bars)]
    if len(workers) < len(blocks):
        notes.append(f"{len(workers)} of {len(blocks)} workers are drawn.")
    if any(len(shown[w]) < len(blocks[w]) for w in workers):
        notes.append("Neighbouring intervals are drawn as one.")
    notes.append("Waiting is what lies between intervals: saving, loading, and waiting for others.")
    made = figure(_TITLE, " ".join(notes), height=150 + 34 * len(workers))
    for kind, colour in _COLOURS.items():
        mine = [bar for bar in bars if bar.kind == kind]
        if mine:
            made.add_trace(
                go.Bar(
                    orientation="h",
                    base=[bar.began for bar in mine],
                    x=[bar.ended - bar.began for bar in mine],
                    y=[workers.index(bar.worker) for bar in mine],
                    marker={"color": colour, "line": {"width": 0}},
                    hovertext=[bar.about for bar in mine],
                    hoverinfo="text",
                    name=kind,
                )
            )
    made.update_layout(barmode="overlay", bargap=0.25)
    made.update_xaxes(title_text="seconds since the first interval began")
    made.update_yaxes(tickvals=list(range(len(workers))), ticktext=[f"worker {w}" for w in workers], autorange="reversed")
    return axes(made)


_Block = tuple[float, float, float, bool, str]
"""Began, ended, seconds of evaluation, whether it failed, and about it."""


def _blocks(study: Study) -> dict[int, list[_Block]]:
    """Return what each worker trained, in its order; members that were trained in one go are one block."""
    record = study.record
    timed = record.reported & (record.ended > record.began)
    if not timed.any():
        return {}
    start = float(record.began[timed].min())
    found: dict[int, dict[tuple[float, float], list[tuple[int, int]]]] = {}
    for m, i in np.argwhere(timed).tolist():
        at = (float(record.began[m, i]) - start, float(record.ended[m, i]) - start)
        found.setdefault(int(record.workers[m, i]), {}).setdefault(at, []).append((m, i))
    return {worker: [_block(study, at, trained) for at, trained in sorted(blocks.items())] for worker, blocks in found.items()}


def _block(study: Study, at: tuple[float, float], trained: list[tuple[int, int]]) -> _Block:
    record, (m, i) = study.record, trained[0]
    who = f"m{m}, interval {i + 1}" if len(trained) == 1 else f"{len(trained)} members, interval {i + 1}"
    failed = all(not np.isfinite(record.scores[m, i]) for m, i in trained)
    evaluated = min(at[1] - at[0], max(float(record.evaluate_seconds[m, i]) for m, i in trained))
    return (*at, evaluated, failed, who)


def _merged(blocks: list[_Block], most: int) -> list[_Block]:
    """Return at most about `most` blocks; neighbours become one, which keeps their seconds of evaluation and loses gaps."""
    group = -(-len(blocks) // max(1, most // 3))
    if group <= 1:
        return blocks
    parts = [blocks[i : i + group] for i in range(0, len(blocks), group)]
    return [
        (p[0][0], max(b[1] for b in p), sum(b[2] for b in p), all(b[3] for b in p), f"{p[0][4]} to {p[-1][4]}") for p in parts
    ]


def _bars(worker: int, blocks: list[_Block], resumed: list[float]) -> Iterator[_Bar]:
    last: float | None = None
    for began, ended, evaluated, failed, who in blocks:
        if last is not None and began > last and not any(last <= at <= began for at in resumed):
            yield _Bar(worker, "wait", last, began, f"worker {worker} waited {began - last:.3g} s")
        turn = ended if failed else max(began, ended - evaluated)
        kind = "failed" if failed else "train"
        yield _Bar(worker, kind, began, turn, f"{who}: {kind} {turn - began:.3g} s")
        if turn < ended:
            yield _Bar(worker, "evaluate", turn, ended, f"{who}: evaluate {ended - turn:.3g} s")
        last = ended if last is None else max(last, ended)


def _resumed(study: Study) -> list[float]:
    record = study.record
    start = float(np.nanmin(np.where(record.ended > record.began, record.began, np.nan)))
    return [at - start for at, _ in study.happenings(Resumed)]


def _busy(bars: list[_Bar]) -> str:
    seconds = {kind: sum(bar.ended - bar.began for bar in bars if bar.kind == kind) for kind in _COLOURS}
    total = sum(seconds.values())
    return f"The workers trained or evaluated {(total - seconds['wait']) / total:.0%} of the time shown." if total else ""
