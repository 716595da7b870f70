"""Order among members: failed ones last, ties broken by the keyed generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rank", "rank_fronts"]


def rank(fitness: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices from best to worst.

    Higher fitness ranks first. NaN and both infinities rank after every finite value. Equal values (failed ones among
    themselves too) are ordered by one uniform draw each, so that two identical members are not for ever in the order of
    their numbers.

    Args:
        fitness: shape (members,), higher is better.
        rng: generator keyed by the caller; exactly `members` draws are taken.

    Returns:
        Permutation of range(members), shape (members,).

    Example:
        >>> rank(np.array([1.0, np.nan, 3.0]), np.random.default_rng(0)).tolist()
        [2, 0, 1]
    """
    ties = rng.random(len(fitness))
    oriented = np.where(np.isfinite(fitness), -fitness, np.inf)
    return np.lexsort((ties, oriented))


def rank_fronts(objectives: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices from best to worst where several objectives count alike.

    A point dominates another one if it is nowhere worse and somewhere better. The first front has the points that nobody
    dominates, the second one those that only points of the first front dominate, and so on. Within a front, points with more
    room around them (crowding distance) rank first, so that the ends of the front do; then one uniform draw each decides. Rows
    with a number that is not finite rank last.

    Args:
        objectives: shape (members, objectives), higher is better.
        rng: generator keyed by the caller; exactly `members` draws are taken.

    Returns:
        Permutation of range(members), shape (members,).

    Example:
        >>> rank_fronts(np.array([[0.0, 0.0], [1.0, 3.0], [2.0, 2.0], [np.nan, 9.0]]), np.random.default_rng(0))[2:].tolist()
        [0, 3]

    References:
        Deb et al. (2002), A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, sections III.A and III.B.
    """
    ties = rng.random(len(objectives))
    healthy = np.isfinite(objectives).all(axis=1)
    points = objectives[healthy]
    fronts = _fronts(points)
    room = np.zeros(len(points))
    for front in range(fronts.max(initial=-1) + 1):
        inside = fronts == front
        room[inside] = _crowding(points[inside])
    keys = np.full((2, len(objectives)), np.inf)
    keys[0, healthy], keys[1, healthy] = fronts, -room
    return np.lexsort((ties, keys[1], keys[0]))


def _fronts(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number of each point's front, shape (points,); 0 is the first."""
    nowhere_worse = np.ones((len(points), len(points)), dtype=bool)
    somewhere_better = np.zeros_like(nowhere_worse)
    for column in points.T:
        nowhere_worse &= column[:, None] >= column
        somewhere_better |= column[:, None] > column
    dominates = nowhere_worse & somewhere_better
    above = dominates.sum(axis=0)
    fronts = np.full(len(points), -1, dtype=np.intp)
    number = 0
    while (fronts < 0).any():
        front = (above == 0) & (fronts < 0)
        fronts[front] = number
        above = above - dominates[front].sum(axis=0)
        number += 1
    return fronts


def _crowding(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each point's crowding distance within its front, shape (points,); infinite at the ends."""
    room = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        values = column[order]
        width = float(values[-1] - values[0])
        if width > 0:
            gaps = np.full(len(points), np.inf)
            gaps[1:-1] = (values[2:] - values[:-2]) / width
            room[order] += gaps
    return room
