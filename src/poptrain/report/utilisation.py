"""What the workers did over time, as far as the journal knows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from poptrain.core.events import Resumed
from poptrain.report.drawing import BLUE, FAINT, SKY, WINNING, axes, empty, figure
from poptrain.results import Study
from poptrain.results.record import Ints

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
    blocks, merged = _blocks(study, _MOST_BARS)
    if not blocks:
        return empty(_TITLE, "no interval with times has been completed yet")
    workers, count = sorted(blocks), len(np.unique(study.record.workers[study.record.reported]))
    bars = [bar for worker in workers for bar in _bars(worker, blocks[worker], _resumed(study))]
    notes = [_busy(bars)]
    if len(workers) < count:
        notes.append(f"{len(workers)} of {count} workers are drawn.")
    if merged:
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


def _blocks(study: Study, most: int) -> tuple[dict[int, list[_Block]], bool]:
    """Return what each worker trained, in its order, and whether neighbours were made one so that there are `most` or fewer.

    Members that were trained in one go are one block.
    """
    record = study.record
    at = np.argwhere(record.reported & (record.ended > record.began))
    began, ended, evaluated, workers, scores = (
        values[at[:, 0], at[:, 1]]
        for values in (record.began, record.ended, record.evaluate_seconds, record.workers, record.scores)
    )
    order = np.lexsort((ended, began, workers))
    at, began, ended, workers = at[order], began[order], ended[order], workers[order]
    evaluated, failed = evaluated[order], ~np.isfinite(scores[order])
    known, firsts = np.unique(workers, return_index=True)
    start = float(began.min(initial=np.inf))
    found, merged = {}, False
    for worker, mine in zip(known[:_MOST_WORKERS], np.split(np.arange(len(at)), firsts[1:]), strict=False):
        new = np.append(True, (np.diff(began[mine]) != 0) | (np.diff(ended[mine]) != 0))
        heads = mine[new]
        group = -(-len(heads) // max(1, most // (3 * min(len(known), _MOST_WORKERS))))
        merged = merged or group > 1
        seconds = np.maximum.reduceat(evaluated, heads)[: len(heads)]
        bounds = np.append(heads[::group], mine[-1] + 1)
        found[int(worker)] = [
            (
                float(began[low]) - start,
                float(ended[low:high].max()) - start,
                float(seconds[n * group : (n + 1) * group].sum()),
                bool(failed[low:high].all()),
                _about(at[low:high]),
            )
            for n, (low, high) in enumerate(itertools.pairwise(bounds.tolist()))
        ]
    return found, merged


def _about(trained: Ints) -> str:
    (m, i), last = trained[0].tolist(), int(trained[-1, 1])
    if len(trained) == 1:
        return f"m{m}, interval {i + 1}"
    return (
        f"{len(trained)} members' intervals, {i + 1} to {last + 1}" if last > i else f"{len(trained)} members, interval {i + 1}"
    )


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
    return [at - start for at, _ in study.happenings(Resumed, latest=_MOST_BARS)]


def _busy(bars: list[_Bar]) -> str:
    seconds = {kind: sum(bar.ended - bar.began for bar in bars if bar.kind == kind) for kind in _COLOURS}
    total = sum(seconds.values())
    return f"The workers trained or evaluated {(total - seconds['wait']) / total:.0%} of the time shown." if total else ""
