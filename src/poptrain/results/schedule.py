"""Schedules: the hyperparameters along the line of weights that won."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value

__all__ = ["Schedule", "Span"]

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Span:
    """Constant hyperparameters over steps [start, end), trained by `member`."""

    start: int
    end: int
    hparams: dict[str, Value]
    member: int


class Schedule:
    """Piecewise-constant hyperparameters over the steps of one member's training.

    It needs nothing of poptrain to be used: `at(step)` in a training loop, or the JSON or CSV file, will do.

    Args:
        spans: in order, each beginning where the one before ends, the first at 0. Neighbours that are equal are merged.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        merged: list[Span] = []
        for span in spans:
            start = merged[-1].end if merged else 0
            if span.start != start or span.end <= span.start:
                raise ConfigError(f"a schedule's spans follow each other from step {start} on, got {span.start} to {span.end}")
            if merged and (merged[-1].hparams, merged[-1].member) == (span.hparams, span.member):
                merged[-1] = Span(merged[-1].start, span.end, span.hparams, span.member)
            else:
                merged.append(span)
        self.spans = tuple(merged)

    @property
    def steps(self) -> int:
        """Number of steps it covers."""
        return self.spans[-1].end if self.spans else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters."""
        return tuple(self.spans[0].hparams) if self.spans else ()

    def at(self, step: int) -> Hparams:
        """Return the hyperparameters of a step (>= 0); behind the end, those of the last span.

        Example:
            >>> Schedule([Span(0, 10, {"lr": 0.1}, 0), Span(10, 20, {"lr": 0.2}, 3)]).at(12)
            {'lr': 0.2}
        """
        if step < 0 or not self.spans:
            raise ConfigError(f"a step is a number from 0 on in a schedule that is not empty, got {step}")
        return next((span.hparams for span in self.spans if step < span.end), self.spans[-1].hparams)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"Schedule({self.steps} steps, {len(self.spans)} spans of {', '.join(self.names)})"

    def to_json(self) -> str:
        """Return the schedule as JSON text."""
        spans = [{"start": s.start, "end": s.end, "member": s.member, "hparams": s.hparams} for s in self.spans]
        return json.dumps({"format": "poptrain schedule 1", "spans": spans}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Return the schedule that `to_json` wrote.

        Raises:
            ConfigError: the text is not one.
        """
        try:
            spans = json.loads(text)["spans"]
            return cls(Span(int(s["start"]), int(s["end"]), dict(s["hparams"]), int(s["member"])) for s in spans)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"this is not a schedule as poptrain writes it: {error!r}") from error

    def to_csv(self) -> str:
        """Return one line for each span: start, end, member, hyperparameters."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["start", "end", "member", *self.names])
        for span in self.spans:
            writer.writerow([span.start, span.end, span.member, *(span.hparams[name] for name in self.names)])
        return out.getvalue()

    def table(self, logarithmic: Iterable[str] = (), *, width: int = 40) -> list[tuple[str, str, str, str]]:
        """Return (name, first value, last value, course as bars) of each hyperparameter that is a number.

        Args:
            logarithmic: names whose course is drawn on a logarithmic scale.
            width: bars in a course.
        """
        logs = set(logarithmic)
        return [
            (
                name,
                _text(self.spans[0].hparams[name]),
                _text(self.spans[-1].hparams[name]),
                self._course(name, logs, width),
            )
            for name in self.names
        ]

    def _course(self, name: str, logs: set[str], width: int) -> str:
        points = [self.at(int((i + 0.5) * self.steps / width))[name] for i in range(width)]
        if not all(isinstance(p, (int, float)) for p in points):
            return ""
        scaled = [math.log(p) if name in logs else float(p) for p in points]  # type: ignore[arg-type]
        low, high = min(scaled), max(scaled)
        if high == low:
            return _BARS[3] * width
        return "".join(_BARS[min(7, int(8 * (p - low) / (high - low)))] for p in scaled)


def _text(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def spans_of(origins: Iterable[tuple[int, int, int]], hparams: Mapping[tuple[int, int], Hparams], steps: int) -> Schedule:
    """Return the schedule along a line of weights.

    Args:
        origins: (member, first interval, last interval) of each stretch, oldest first.
        hparams: hyperparameters of each (member, interval), interval >= 1.
        steps: steps of an interval.
    """
    spans: list[Any] = []
    for member, first, last in origins:
        for interval in range(first, last + 1):
            start = len(spans) * steps
            spans.append(Span(start, start + steps, dict(hparams[member, interval]), member))
    return Schedule(spans)
