"""Learning curves: smoothed, and compared at equal scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["improvement", "sign_test", "smoothed"]

_LENGTHS = (1.0, 2.0, 4.0, 8.0)
"""Correlation lengths to choose from, in intervals."""

_NOISES = (1e-6, 1e-3, 1e-2, 1e-1, 0.5)
"""Shares of noise in the variance to choose from."""


def smoothed(curve: Sequence[float]) -> NDArray[np.float64]:
    """Return the posterior mean of a Gaussian process at the points of a curve.

        k(s, t) = exp(-(s - t)^2 / (2 l^2)),  mean = K (K + n I)^-1 (y - trend) + trend

    The trend is the least-squares line; l and n are those of highest marginal likelihood among a few. Curves of fewer than four
    points come back as they are.

    Args:
        curve: finite scores at successive intervals.

    Returns:
        Shape (len(curve),).
    """
    return _posterior_mean(tuple(curve)).copy()


@lru_cache(maxsize=4096)  # every decision asks for the same few curves
def _posterior_mean(curve: tuple[float, ...]) -> NDArray[np.float64]:
    y = np.array(curve, dtype=np.float64)
    n = len(y)
    if n < 4:
        return y
    t = np.arange(n, dtype=np.float64)
    trend = np.polyval(np.polyfit(t, y, 1), t)
    rest = y - trend
    scale = float(np.std(rest))
    if scale <= 1e-12 * max(1.0, float(np.abs(y).max())):
        return y
    unit = rest / scale
    inverses, halves, smoothers = _models(n)
    likelihoods = -0.5 * (inverses @ unit) @ unit - halves
    found: NDArray[np.float64] = (smoothers[likelihoods.argmax()] @ unit) * scale + trend
    return found


@lru_cache(maxsize=64)  # the matrices depend on the number of points alone
def _models(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return of every pair of length and noise: the inverse of K + n I, half its log determinant, and what smooths a curve.

    Returns:
        Shapes (models, n, n), (models,) and (models, n, n).
    """
    t = np.arange(n, dtype=np.float64)
    kernels = [np.exp(-((t[:, None] - t) ** 2) / (2 * length**2)) for length in _LENGTHS]
    signals = np.stack([(1 - noise) * kernel for kernel in kernels for noise in _NOISES])
    noises = np.array([noise for _ in kernels for noise in _NOISES])
    whole = signals + (noises + 1e-9)[:, None, None] * np.eye(n)
    inverses: NDArray[np.float64] = np.asarray(np.linalg.inv(whole), dtype=np.float64)
    halves: NDArray[np.float64] = np.asarray(0.5 * np.linalg.slogdet(whole)[1], dtype=np.float64)
    return inverses, halves, np.asarray(signals @ inverses, dtype=np.float64)


def improvement(curves: Sequence[Sequence[float]], *, levels: int = 32) -> NDArray[np.float64]:
    """Return how much faster each curve rises than the others do at the same scores.

        r_i = mean over y of (slope_i(y) - mean_j slope_j(y)),  y: scores that curve i and others pass, j: curves that pass y

    Curves are smoothed first. A curve that has no score in common with any other has 0, like the average.

    Args:
        curves: scores at successive intervals, at least two each.
        levels: number of scores at which slopes are compared, evenly between the lowest and the highest of all.

    Returns:
        Shape (len(curves),), in units of the score per interval.
    """
    smooth = [smoothed(curve) for curve in curves]
    low, high = min(float(c.min()) for c in smooth), max(float(c.max()) for c in smooth)
    at = np.linspace(low, high, levels)
    slopes = np.full((len(smooth), levels), math.nan)
    for row, curve in zip(slopes, smooth, strict=True):
        passed = (at >= curve.min()) & (at <= curve.max())
        passed[np.abs(at - curve.mean()).argmin()] = True  # one that stands still passes a single score
        row[passed] = _slopes(curve, at[passed])
    known = np.isfinite(slopes)
    shared = known & (known.sum(axis=0) > 1)
    mean = np.where(known, slopes, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    leads: NDArray[np.float64] = np.where(shared, slopes - mean, 0.0).sum(axis=1) / np.maximum(shared.sum(axis=1), 1)
    return leads


def _slopes(curve: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a curve's rise per interval where it has the scores `at`, shape of `at`."""
    middle, slope = (curve[1:] + curve[:-1]) / 2, np.diff(curve)
    order = np.argsort(middle, kind="stable")
    return np.interp(at, middle[order], slope[order])


def sign_test(wins: int, flips: int) -> float:
    """Return the one-sided probability of at least so many wins among fair coin flips.

    Example:
        >>> sign_test(7, 7)
        0.0078125
    """
    favourable = sum(math.comb(flips, k) for k in range(wins, flips + 1))
    return float(favourable / 2**flips)
