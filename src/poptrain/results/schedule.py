"""Schedules: the hyperparameters along the line of weights that won."""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.results.sparkline import letters, number_text, sparkline

__all__ = ["Course", "Schedule", "Span"]

_FORMAT = "poptrain schedule 1"


@dataclass(frozen=True, slots=True)
class Span:
    """Constant hyperparameters over the steps [start_step, end_step), trained by `member`."""

    start_step: int
    end_step: int
    hparams: Hparams
    member: int


@dataclass(frozen=True, slots=True)
class Course:
    """How one hyperparameter went.

    Args:
        name: of the hyperparameter.
        first, last: its values at the beginning and at the end.
        line: its values over the steps, one character each: bars for numbers, letters for anything else.
        key: how to read the line: the range of the bars, or what the letters mean; empty for a constant.
    """

    name: str
    first: Value
    last: Value
    line: str
    key: str


class Schedule:
    """Piecewise-constant hyperparameters over the steps of one network's training.

    Nothing of poptrain is needed to use one: `at(step)` in a training loop, or its JSON or CSV form, will do.

    Args:
        spans: in order, each beginning where the one before ends, the first at step 0. Neighbours with the same hyperparameters
            and member become one.

    Raises:
        ConfigError: a span is empty or does not begin where the one before ends, or names differ between spans.

    Example:
        >>> schedule = Schedule([Span(0, 10, {"lr": 0.1}, 0), Span(10, 20, {"lr": 0.2}, 3)])
        >>> schedule.at(9), schedule.at(10), schedule.steps
        ({'lr': 0.1}, {'lr': 0.2}, 20)
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        merged: list[Span] = []
        for span in spans:
            _check(span, merged)
            if merged and (merged[-1].hparams, merged[-1].member) == (span.hparams, span.member):
                merged[-1] = Span(merged[-1].start_step, span.end_step, span.hparams, span.member)
            else:
                merged.append(span)
        self.spans = tuple(merged)
        self._starts = [span.start_step for span in merged]

    @property
    def steps(self) -> int:
        """Number of steps it covers."""
        return self.spans[-1].end_step if self.spans else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters."""
        return tuple(self.spans[0].hparams) if self.spans else ()

    def at(self, step: int) -> Hparams:
        """Return the hyperparameters of a step (>= 0); behind the end, those of the last span.

        Raises:
            ConfigError: the step is negative, or the schedule is empty.
        """
        if step < 0 or not self.spans:
            raise ConfigError(f"a step is a number from 0 on in a schedule that is not empty, got {step}")
        return self.spans[bisect_right(self._starts, step) - 1].hparams

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash((self.steps, self.names, len(self.spans)))

    def __repr__(self) -> str:
        return f"Schedule({self.steps} steps, {len(self.spans)} spans of {', '.join(self.names)})"

    def to_json(self) -> dict[str, Any]:
        """Return the schedule as JSON."""
        spans = [
            {"start_step": s.start_step, "end_step": s.end_step, "member": s.member, "hparams": dict(s.hparams)}
            for s in self.spans
        ]
        return {"format": _FORMAT, "steps": self.steps, "spans": spans}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schedule:
        """Return the schedule that `to_json` made.

        Raises:
            ConfigError: it is not one.
        """
        try:
            if data["format"] != _FORMAT:
                raise ConfigError(f"a schedule has the format {_FORMAT!r}, got {data['format']!r}: upgrade poptrain")
            spans = [
                Span(int(s["start_step"]), int(s["end_step"]), dict(s["hparams"]), int(s["member"])) for s in data["spans"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"this is not a schedule as poptrain writes it: {error!r} is missing or wrong") from error
        return cls(spans)

    def to_csv(self) -> str:
        """Return a line for each span: start_step, end_step, member and the hyperparameters."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["start_step", "end_step", "member", *self.names])
        for span in self.spans:
            values = [_cell(span.hparams[name]) for name in self.names]
            writer.writerow([span.start_step, span.end_step, span.member, *values])
        return out.getvalue()

    def courses(self, logarithmic: Iterable[str] = (), *, width: int = 40) -> tuple[Course, ...]:
        """Return how each hyperparameter went.

        Args:
            logarithmic: names that are drawn on a logarithmic axis.
            width: characters of a line, >= 1.
        """
        logs = set(logarithmic)
        return tuple(self._course(name, name in logs, width) for name in self.names)

    def render(self, logarithmic: Iterable[str] = (), *, width: int = 40) -> str:
        """Return all courses as lines of text: name, first and last value, line, key; for a constant only its value."""
        if not self.spans:
            return "no schedule yet: nothing has been trained"
        courses = self.courses(logarithmic, width=width)
        rows = [(c.name, number_text(c.first), number_text(c.last)) for c in courses]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = []
        for (name, first, last), course in zip(rows, courses, strict=True):
            ends = f"{first:>{widths[1]}} -> {last:<{widths[2]}}  {course.line}  {course.key}"
            lines.append(f"{name:<{widths[0]}}  {ends if course.key else f'{first:>{widths[1]}} throughout'}")
        return "\n".join(lines)

    def _course(self, name: str, log: bool, width: int) -> Course:
        points = [self.at(int((i + 0.5) * self.steps / width))[name] for i in range(width)]
        values = list(dict.fromkeys(span.hparams[name] for span in self.spans))
        numbers = _numbers(values)
        first, last = self.spans[0].hparams[name], self.spans[-1].hparams[name]
        if len(numbers) < len(values):
            key = "  ".join(f"{letters([value], values)}={value}" for value in values)
            return Course(name, first, last, letters(points, values), key if len(values) > 1 else "")
        low, high = min(numbers), max(numbers)
        key = f"{number_text(low)} to {number_text(high)}{', log axis' if log and low > 0 else ''}" if low < high else ""
        return Course(name, first, last, sparkline(_numbers(points), low=low, high=high, log=log), key)


def _numbers(values: Iterable[Value]) -> list[float]:
    """Return the numbers among values; True and False are none."""
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _check(span: Span, before: list[Span]) -> None:
    start = before[-1].end_step if before else 0
    if span.start_step != start or span.end_step <= start:
        raise ConfigError(
            f"a schedule's spans follow each other without gaps, the next one from step {start} on, "
            f"got {span.start_step} to {span.end_step}"
        )
    if before and set(before[-1].hparams) != set(span.hparams):
        raise ConfigError(f"all spans of a schedule have the same hyperparameters, got {list(span.hparams)} at step {start}")


def _cell(value: Value) -> Any:
    """Return a value as a table's cell: true and false in small letters, nothing for None."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
