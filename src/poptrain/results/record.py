"""All reports of a study as arrays: what plots and diagnoses compute with."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from poptrain.core.report import Mode, fitness_of
from poptrain.core.values import Value
from poptrain.space import Space
from poptrain.store.journal import Journal

__all__ = ["Column", "Floats", "Ints", "Record", "record_of", "reports_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Column:
    """One hyperparameter of all members over all intervals.

    Args:
        codes: (members, intervals), number of the value in `options`; -1 where there was no report.
        options: the distinct values that were trained with.
        places: (options,), where in [0, 1] of its domain each of them lies; see `Parameter.to_unit`.
    """

    codes: Ints
    options: tuple[Value, ...]
    places: Floats

    def units(self) -> Floats:
        """Return (members, intervals) places in [0, 1]; NaN where there was no report."""
        return _chosen(self.places, self.codes)

    def numbers(self) -> Floats:
        """Return (members, intervals) values; NaN where there was no report, or where the value is no number."""
        found = [float(v) if isinstance(v, (int, float)) else np.nan for v in self.options]
        return _chosen(np.array(found, dtype=float), self.codes)


@dataclass(frozen=True, slots=True)
class Record:
    """Reports as arrays of shape (members, intervals); column i holds interval i + 1.

    Args:
        scores: selection scores as they were reported; NaN where an interval failed or was not reported.
        fitness: the same, oriented so that higher is better.
        reported: whether there is a report.
        trained: whether something was trained; False for intervals that were given up.
        began, ended: seconds since 1970; NaN where there is no report.
        evaluate_seconds: seconds of evaluation where they are known, else 0.
        workers: number of the worker; -1 where there is no report.
        hparams: by name.
    """

    scores: Floats
    fitness: Floats
    reported: npt.NDArray[np.bool_]
    trained: npt.NDArray[np.bool_]
    began: Floats
    ended: Floats
    evaluate_seconds: Floats
    workers: Ints
    hparams: Mapping[str, Column]

    @property
    def population(self) -> int:
        """Number of members."""
        return int(self.scores.shape[0])

    @property
    def intervals(self) -> int:
        """The most intervals that a member has completed."""
        return int(self.scores.shape[1])


class _Report(msgspec.Struct, gc=False):
    """The part of a `Reported` event that a record is made of; `metrics` stays JSON."""

    member: int
    interval: int
    score: float | None
    metrics: msgspec.Raw
    hparams: dict[str, Value]
    began: float = 0.0
    ended: float = 0.0
    evaluate_seconds: float = 0.0
    worker: int = 0


_DECODER = msgspec.json.Decoder(list[_Report])
_AT_ONCE = 10_000
_NOTHING = (b"{}", b"null")


def reports_of(journal: Journal, until: int) -> Iterator[_Report]:
    """Yield the reports up to an event, many decoded at once: a study may have a million."""
    after = 0
    sql = (
        "SELECT seq, data FROM events NOT INDEXED WHERE seq > ? AND seq <= ? AND kind = 'reported' ORDER BY seq "
        f"LIMIT {_AT_ONCE}"
    )
    while rows := journal.query(sql, (after, until)):
        yield from _DECODER.decode("[" + ",".join([data for _, data in rows]) + "]")
        after = rows[-1][0]


def record_of(reports: Iterable[_Report], population: int, mode: Mode, space: Space) -> Record:
    """Return reports as arrays; memory is about a hundred bytes for each report.

    Args:
        reports: in any order.
        population: number of members.
        mode: how scores are oriented.
        space: places values in their domains; hyperparameters that it does not know are left out.
    """
    # Compact arrays, not objects: a million reports would take a gigabyte.
    who, when, where = array("q"), array("q"), array("q")
    times = array("d")
    codes = {name: array("q") for name in space}
    known: dict[str, dict[Value, int]] = {name: {} for name in space}
    pairs = [(name, codes[name].append, known[name]) for name in space]
    for report in reports:
        who.append(report.member)
        when.append(report.interval - 1)
        where.append(report.worker)
        score = np.nan if report.score is None else report.score
        times.extend(
            (score, report.began, report.ended, report.evaluate_seconds, 0.0 if bytes(report.metrics) in _NOTHING else 1.0)
        )
        values = report.hparams
        for name, append, seen in pairs:
            append(seen.setdefault(values[name], len(seen)) if name in values else -1)
    at = (np.asarray(who, dtype=np.int64), np.asarray(when, dtype=np.int64))
    shape = (population, int(at[1].max(initial=-1)) + 1)
    table = np.asarray(times, dtype=float).reshape(-1, 5)
    scores = _spread(table[:, 0], at, shape)
    return Record(
        scores=scores,
        fitness=scores * fitness_of(1.0, mode),
        reported=np.isfinite(_spread(table[:, 4], at, shape)),
        trained=_spread(table[:, 4], at, shape) > 0,
        began=_spread(table[:, 1], at, shape),
        ended=_spread(table[:, 2], at, shape),
        evaluate_seconds=np.nan_to_num(_spread(table[:, 3], at, shape)),
        workers=_codes(where, at, shape),
        hparams={name: _column(_codes(codes[name], at, shape), known[name], name, space) for name in space},
    )


def _column(codes: Ints, known: Mapping[Value, int], name: str, space: Space) -> Column:
    places = [space[name].to_unit(value) for value in known]
    return Column(codes, tuple(known), np.array(places, dtype=float))


def _spread(values: Floats, at: tuple[Ints, Ints], shape: tuple[int, int]) -> Floats:
    made = np.full(shape, np.nan)
    made[at] = values
    return made


def _codes(values: array[int], at: tuple[Ints, Ints], shape: tuple[int, int]) -> Ints:
    made = np.full(shape, -1, dtype=np.int64)
    made[at] = np.asarray(values, dtype=np.int64)
    return made


def _chosen(values: Floats, codes: Ints) -> Floats:
    return np.append(values, np.nan)[codes]  # -1 is the last one
