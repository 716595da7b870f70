"""What follows from the reports of a population: ancestors, gains, spreads, noise."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from poptrain.core.events import Replaced, Restarted
from poptrain.results.lineage import Lineage
from poptrain.results.record import Column, Floats, Record

__all__ = ["Noise", "ancestors_alive", "founders", "gains", "noise_of", "quiet", "spread"]


@contextmanager
def quiet() -> Iterator[None]:
    """Let statistics of columns without a single number be NaN without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def founders(lineage: Lineage, intervals: int) -> npt.NDArray[np.int64]:
    """Return whose fresh weights each member's weights descend from.

    Unlike `Lineage.founder` it tells the weights of a restart from the member's first ones.

    Args:
        lineage: the study's.
        intervals: the most intervals that a member has completed.

    Returns:
        (members, intervals + 1); column i is after i intervals. A number below `population` is a member's first weights, any
        other one the weights of a restart.
    """
    found = np.repeat(np.arange(lineage.population)[:, None], intervals + 1, axis=1)
    moves = _moves(lineage)
    times = {member: [event.interval for event in own] for member, own in moves.items()}
    fresh = {(r.member, r.interval): lineage.population + n for n, r in enumerate(lineage.restarts)}
    known: dict[tuple[int, int], int] = dict(fresh)

    def source(member: int, interval: int) -> Replaced | Restarted | None:
        place = bisect_left(times.get(member, ()), interval)
        return moves[member][place - 1] if place else None

    for member, own in moves.items():
        ends = [*times[member][1:], intervals]
        for event, end in zip(own, ends, strict=True):
            way: list[tuple[int, int]] = []
            at: Replaced | Restarted | None = event
            last = member
            while at is not None and (at.member, at.interval) not in known:
                way.append((at.member, at.interval))
                assert isinstance(at, Replaced)  # a restart is known from the beginning
                last = at.donor
                at = source(at.donor, at.donor_interval)
            founder = last if at is None else known[at.member, at.interval]
            known.update(dict.fromkeys(way, founder))
            found[member, event.interval + 1 : end + 1] = founder
    return found


def _moves(lineage: Lineage) -> dict[int, list[Replaced | Restarted]]:
    """Return what each member's weights went through, in the order of its intervals."""
    found: dict[int, list[Replaced | Restarted]] = {}
    events: list[Replaced | Restarted] = [*(c for c in lineage.copies if c.weights), *lineage.restarts]
    for event in events:
        found.setdefault(event.member, []).append(event)
    for own in found.values():
        own.sort(key=lambda event: event.interval)
    return found


def ancestors_alive(record: Record, lineage: Lineage) -> npt.NDArray[np.int64]:
    """Return (intervals,) how many beginnings the weights that were trained in each interval descend from."""
    found = founders(lineage, record.intervals)[:, 1:]
    return np.array([len(np.unique(found[record.reported[:, i], i])) for i in range(record.intervals)], dtype=np.int64)


def gains(record: Record, lineage: Lineage) -> Floats:
    """Return by how much every interval raised the fitness of the weights that it began with.

    Where a member took over weights, it is compared with their donor's score.

    Returns:
        (members, intervals); NaN for first intervals, after a restart, and where a score is missing.
    """
    before = np.full(record.fitness.shape, np.nan)
    before[:, 1:] = record.fitness[:, :-1]
    for copy in lineage.copies:
        if copy.weights and copy.interval < record.intervals:
            known = 0 < copy.donor_interval <= record.intervals
            before[copy.member, copy.interval] = record.fitness[copy.donor, copy.donor_interval - 1] if known else np.nan
    for restart in lineage.restarts:
        if restart.interval < record.intervals:
            before[restart.member, restart.interval] = np.nan
    return np.asarray(record.fitness - before)


def spread(column: Column, *, ordered: bool) -> Floats:
    """Return how far apart the population's values of a hyperparameter lie.

    Args:
        column: the hyperparameter.
        ordered: whether its values have an order.

    Returns:
        (intervals,): the standard deviation of the places in [0, 1] of the domain, or for values without an order the chance
        that two members differ; NaN where nobody reported.
    """
    if ordered:
        with quiet():
            return np.asarray(np.nanstd(column.units(), axis=0), dtype=float)
    counts = np.array([(column.codes == code).sum(axis=0) for code in range(len(column.options))], dtype=float)
    with quiet():
        shares = counts / counts.sum(axis=0)
        return np.asarray(1.0 - (shares**2).sum(axis=0), dtype=float)


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of the scores is chance, seen in members that trained on undisturbed.

    Args:
        agreement: the median over intervals of the rank correlation between scores and the next interval's scores.
        gain: the median gain of an interval, in fitness.
        deviation: standard deviation of one score about its trend, in fitness.
        intervals: pairs of intervals that could be compared.
    """

    agreement: float
    gain: float
    deviation: float
    intervals: int


def noise_of(record: Record, lineage: Lineage) -> Noise | None:
    """Return how noisy scores are, or None where there are not five pairs of intervals with five undisturbed members.

    A gain is the difference of two scores, so the deviation of one of them is that of the gains divided by the root of 2. It is
    taken from the median absolute deviation, which a few members that take off do not change.
    """
    undisturbed = np.isfinite(record.fitness[:, 1:]) & np.isfinite(record.fitness[:, :-1])
    events: list[Replaced | Restarted] = [*lineage.copies, *lineage.restarts]
    for event in events:
        if 0 < event.interval < record.intervals:
            undisturbed[event.member, event.interval - 1] = False
    agreements, rises, residues = [], [], []
    for i in np.flatnonzero(undisturbed.sum(axis=0) >= _LEAST_MEMBERS):
        before, after = record.fitness[undisturbed[:, i], i], record.fitness[undisturbed[:, i], i + 1]
        agreements.append(_rank_correlation(before, after))
        rises.append(after - before)
        residues.append(np.abs(after - before - np.median(after - before)))
    if len(agreements) < _LEAST_PAIRS:
        return None
    deviation = 1.4826 * float(np.median(np.concatenate(residues))) / 2**0.5
    return Noise(float(np.median(agreements)), float(np.median(np.concatenate(rises))), deviation, len(agreements))


_LEAST_MEMBERS = 5
_LEAST_PAIRS = 5


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's coefficient; 0 where all values of one side are equal, which says nothing about the other."""
    a, b = _ranks(first), _ranks(second)
    if not a.std() > 0 or not b.std() > 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[places], dtype=float)
