"""Order among members: failed ones last, ties broken by the keyed generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rank"]


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
