"""Progress of a running study: a live picture on a terminal, one plain line an interval elsewhere."""

from __future__ import annotations

import os
import statistics
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from poptrain.cli.terminal import duration, number, size
from poptrain.core.report import Mode
from poptrain.engine import Progress

if TYPE_CHECKING:
    from poptrain.engine.preflight import PreflightReport
    from poptrain.results import Study

__all__ = ["Display", "LiveDisplay", "PlainDisplay", "SilentDisplay", "make_display", "progress_of_study"]

_INTERRUPTED = "finishing the interval; press Ctrl-C again to stop at once"
_MOST_MEMBERS = 24
"""Members that are shown one by one; larger populations have summary lines only."""

_BLOCKS = "▏▎▍▌▋▊▉█"
_BAR = 8


class Display(ABC):
    """Shows what a study does; a context manager around the training."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def say(self, line: str) -> None:
        """Show a line that stays."""

    @abstractmethod
    def progress(self, progress: Progress) -> None:
        """Show how far the study is."""

    @abstractmethod
    def interrupted(self) -> None:
        """Say that the study will pause; called inside a signal handler."""

    @abstractmethod
    def close(self) -> None:
        """Leave the output in order."""

    def preflight(self, report: PreflightReport) -> None:
        """Show what the preflight found."""
        exact = "exactly" if report.exact else "to within rounding"
        self.say(
            f"preflight: a state has {size(report.state_bytes)} and is restored {exact}; "
            f"the study needs about {duration(report.total_seconds)} and at most {size(report.disk_bytes)} of disk "
            f"({size(report.free_bytes)} free)"
        )
        if report.arrangement:
            self.say(f"executor: {report.arrangement}")
        for remark in report.remarks:
            self.say(remark)


@dataclass(frozen=True, slots=True)
class Standing:
    """Median and worst of the members' last scores; None while nobody has one."""

    median: float | None
    worst: float | None

    @classmethod
    def of(cls, scores: Sequence[float | None], mode: Mode) -> Standing:
        """Return the standing of the members that did not fail."""
        healthy = [score for score in scores if score is not None]
        if not healthy:
            return cls(None, None)
        return cls(statistics.median(healthy), min(healthy) if mode == "max" else max(healthy))


class SilentDisplay(Display):
    """Shows nothing but the answer to Ctrl-C."""

    def say(self, line: str) -> None:
        """Show nothing."""

    def progress(self, progress: Progress) -> None:
        """Show nothing."""

    def interrupted(self) -> None:
        """Say it on standard error."""
        # Not through sys.stderr: a signal may come in the middle of a write to it.
        os.write(2, f"\n{_INTERRUPTED}\n".encode())

    def close(self) -> None:
        """Do nothing."""


class PlainDisplay(Display):
    """Writes one line for each interval.

    Args:
        stream: where to.
        mode: whether higher or lower scores are better.
    """

    def __init__(self, stream: TextIO, mode: Mode) -> None:
        self._stream = stream
        self._mode = mode
        self._shown = 0

    def say(self, line: str) -> None:
        """Write the line."""
        self._stream.write(line + "\n")
        self._stream.flush()

    def progress(self, progress: Progress) -> None:
        """Write a line when every member has completed one more interval."""
        if progress.interval > self._shown:
            self._shown = progress.interval
            self.say(progress_line(progress, self._mode))

    def interrupted(self) -> None:
        """Say it on standard error."""
        os.write(2, f"\n{_INTERRUPTED}\n".encode())

    def close(self) -> None:
        """Do nothing."""


def progress_line(progress: Progress, mode: Mode) -> str:
    """Return one interval's line."""
    standing = Standing.of(progress.scores, mode)
    best = "-" if progress.best is None else f"{number(progress.best)} (m{progress.best_member})"
    left = "-" if progress.remaining_seconds is None else duration(progress.remaining_seconds)
    return (
        f"interval {progress.interval}/{progress.intervals}  best {best}  median {number(standing.median)}  "
        f"worst {number(standing.worst)}  copies {progress.copies}  failures {progress.failures}  "
        f"elapsed {duration(progress.seconds)}  left {left}"
    )


class LiveDisplay(Display):
    """Draws a bar, the scores of all members and what is left, over and over in the same place.

    Args:
        console: a terminal.
        mode: whether higher or lower scores are better.
        title: the study.
        metric: name of the score.
    """

    def __init__(self, console: Console, mode: Mode, *, title: str, metric: str) -> None:
        self._console = console
        self._mode = mode
        self._title = title
        self._metric = metric
        self._progress: Progress | None = None
        self._seen = time.monotonic()
        self._pausing = False
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4)

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def say(self, line: str) -> None:
        """Print the line above the picture."""
        self._console.print(Text(line))

    def progress(self, progress: Progress) -> None:
        """Take note; the picture is drawn four times a second."""
        self._progress, self._seen = progress, time.monotonic()

    def interrupted(self) -> None:
        """Let the picture say it from now on."""
        self._pausing = True

    def close(self) -> None:
        """Draw the last picture and leave it."""
        self._live.stop()

    def _draw(self) -> RenderableType:
        progress = self._progress
        parts: list[RenderableType] = [Text(self._title, style="bold")]
        if progress is None:
            parts.append(Text("starting workers", style="dim"))
        else:
            parts += [self._bar(progress), self._summary(progress)]
            if len(progress.scores) <= _MOST_MEMBERS:
                parts.append(self._members(progress))
        if self._pausing:
            parts.append(Text(_INTERRUPTED, style="yellow"))
        return Group(*parts)

    def _bar(self, progress: Progress) -> RenderableType:
        since = 0.0 if progress.steps >= progress.total_steps else time.monotonic() - self._seen
        left = progress.remaining_seconds
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            Text(f"interval {progress.interval}/{progress.intervals}"),
            ProgressBar(
                total=progress.total_steps,
                completed=progress.steps,
                width=32,
                complete_style="cyan",
                finished_style="green",
            ),
            Text(f"elapsed {duration(progress.seconds + since)}"),
            Text(f"left {'-' if left is None else duration(max(0.0, left - since))}"),
        )
        return grid

    def _summary(self, progress: Progress) -> RenderableType:
        standing = Standing.of(progress.scores, self._mode)
        best = "-" if progress.best is None else f"{number(progress.best)} (m{progress.best_member})"
        return Text.assemble(
            (f"{self._metric}: ", "dim"),
            ("best ", "dim"),
            (best, "bold green"),
            ("   median ", "dim"),
            number(standing.median),
            ("   worst ", "dim"),
            number(standing.worst),
            (f"   copies {progress.copies}   failures {progress.failures}", "dim"),
        )

    def _members(self, progress: Progress) -> RenderableType:
        healthy = [score for score in progress.scores if score is not None]
        low, high = (min(healthy), max(healthy)) if healthy else (0.0, 0.0)
        across = max(1, min(4, self._console.width // 26))
        grid = Table.grid(padding=(0, 2))
        cells = [self._member(m, score, low, high, progress) for m, score in enumerate(progress.scores)]
        down = -(-len(cells) // across)
        for row in range(down):
            grid.add_row(*cells[row::down])
        return grid

    def _member(self, member: int, score: float | None, low: float, high: float, progress: Progress) -> Text:
        label = f"m{member}".ljust(4)
        if score is None:
            return Text.assemble((label, "dim"), ("failed" if progress.completed[member] else "-").rjust(8), " " * (_BAR + 1))
        part = (score - low) / (high - low) if high > low else 1.0
        part = part if self._mode == "max" else 1.0 - part if high > low else 1.0
        style = "green" if member == progress.best_member else "cyan"
        return Text.assemble((label, "dim"), number(score).rjust(8), " ", (_blocks(part).ljust(_BAR), style))


def _blocks(part: float) -> str:
    """Return a bar of `part` (0 to 1) of the full width, at least one eighth of a column."""
    eighths = max(1, round(part * _BAR * 8))
    return "█" * (eighths // 8) + (_BLOCKS[eighths % 8 - 1] if eighths % 8 else "")


def make_display(mode: Mode, *, title: str, metric: str, quiet: bool, to_stderr: bool) -> Display:
    """Return the display that fits the output.

    Args:
        mode: whether higher or lower scores are better.
        title: the study.
        metric: name of the score.
        quiet: whether nothing is to be shown.
        to_stderr: whether standard output is kept for something else.
    """
    if quiet:
        return SilentDisplay()
    stream = sys.stderr if to_stderr else sys.stdout
    console = Console(file=stream, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(console, mode, title=title, metric=metric)
    return PlainDisplay(stream, mode)


def progress_of_study(study: Study) -> Progress:
    """Return what a study that is trained elsewhere shows of itself, as its journal knows it."""
    config, members = study.config, study.members()
    total = config.population * config.intervals * config.interval_steps
    best = study.best if study.scored else None
    return Progress(
        interval=min(study.completed),
        intervals=config.intervals,
        scores=tuple(member.score for member in members),
        completed=study.completed,
        best=None if best is None else best.score,
        best_member=-1 if best is None else best.member,
        best_interval=-1 if best is None else best.interval,
        copies=study.copies,
        failures=len(study.failures),
        steps=study.steps,
        total_steps=total,
        seconds=study.seconds,
        remaining_seconds=study.seconds / study.steps * (total - study.steps) if study.steps else None,
    )
