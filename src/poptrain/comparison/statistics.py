"""What a few seeds can say: bootstrap intervals and an exact paired test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "Paired", "estimate", "paired", "sign_flip_test"]

_RESAMPLES = 10_000
_EXACT = 16
"""Most pairs whose sign flips are all tried."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds.

    Args:
        mean: of the values.
        low, high: the middle 95 % of the means of bootstrap samples; None with fewer than three values.
        values: one a seed.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Paired:
    """A method against another one, seed by seed.

    Args:
        difference: mean of the differences, positive where the method is better.
        ahead, behind: seeds in which it was.
        p: two-sided p of the sign-flip test; None with fewer than two pairs.
        least_p: the lowest p that so many pairs can give; None with fewer than two.
    """

    difference: Estimate
    ahead: int
    behind: int
    p: float | None
    least_p: float | None

    @property
    def pairs(self) -> int:
        """Number of seeds."""
        return len(self.difference.values)


def estimate(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Return the mean with the percentile interval of 10,000 bootstrap samples.

    With so few values as a comparison has, such an interval is too narrow: of 95 % it covers about 85 % at five values.

    Args:
        values: finite, at least one.
        seed: of the resampling.

    Example:
        >>> estimate([1.0, 2.0]).mean, estimate([1.0, 2.0]).low
        (1.5, None)

    References:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    found = np.asarray(values, dtype=np.float64)
    mean = float(found.mean())
    if len(found) < 3:
        return Estimate(mean, None, None, tuple(found.tolist()))
    low, high = np.quantile(_bootstrap_means(found, seed), [0.025, 0.975])
    return Estimate(mean, float(low), float(high), tuple(found.tolist()))


def paired(method: Sequence[float], other: Sequence[float], *, seed: int = 0) -> Paired:
    """Return how a method did against another one on the same seeds; values are oriented, higher is better."""
    differences = [a - b for a, b in zip(method, other, strict=True)]
    n = len(differences)
    return Paired(
        estimate(differences, seed=seed),
        sum(d > 0 for d in differences),
        sum(d < 0 for d in differences),
        sign_flip_test(differences, seed=seed) if n > 1 else None,
        2.0 ** (1 - n) if n > 1 else None,
    )


def sign_flip_test(differences: Sequence[float], *, seed: int = 0) -> float:
    """Return the two-sided p of Fisher's paired randomisation test.

        p = share of all sign assignments s with |mean(s * d)| >= |mean(d)|

    All assignments are tried for up to 16 differences, 20,000 random ones (and the one observed) beyond.

    Example:
        >>> sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0])
        0.0625

    References:
        Fisher (1935), The Design of Experiments, section 21.
    """
    d = np.asarray(differences, dtype=np.float64)
    observed = abs(float(d.sum()))
    if len(d) <= _EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(d))))
    else:
        signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(20_000, len(d)))
        signs[0] = 1.0
    slack = 1e-12 * max(1.0, float(np.abs(d).sum()))  # sums of the same numbers in another order are equal
    return float(np.mean(np.abs(signs @ d) >= observed - slack))


def _bootstrap_means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the means of samples drawn with replacement, shape (resamples,)."""
    draws = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    means: NDArray[np.float64] = values[draws].mean(axis=1)
    return means
