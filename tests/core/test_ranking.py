"""Ranking: finite values by size, everything else last, ties by lot."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poptrain.core.ranking import rank

numbers = st.one_of(st.floats(-10, 10), st.integers(0, 2).map(float), st.sampled_from([math.nan, math.inf, -math.inf]))


@given(st.lists(numbers, max_size=30), st.integers(0, 2**32))
def test_is_a_permutation_with_finite_values_falling_and_failed_ones_last(values: list[float], seed: int) -> None:
    order = rank(np.array(values, dtype=float), np.random.default_rng(seed)).tolist()
    assert sorted(order) == list(range(len(values)))
    ranked = [values[i] for i in order]
    finite = [value for value in ranked if math.isfinite(value)]
    assert ranked[: len(finite)] == finite, "a failed member ranks before a healthy one"
    assert finite == sorted(finite, reverse=True)


def test_infinity_is_no_victory() -> None:
    assert rank(np.array([math.inf, -5.0, math.nan, -math.inf]), np.random.default_rng(0))[0] == 1


def test_every_order_of_equal_members_is_equally_likely() -> None:
    found = Counter(tuple(rank(np.zeros(3), np.random.default_rng(seed)).tolist()) for seed in range(3000))
    assert len(found) == 6
    # 500 expected each, standard deviation 20.4
    assert all(400 < count < 600 for count in found.values()), found


def test_failed_members_are_in_random_order_among_themselves() -> None:
    first = {int(rank(np.array([math.nan, 1.0, math.inf]), np.random.default_rng(seed))[1]) for seed in range(50)}
    assert first == {0, 2}


def test_takes_one_draw_a_member_whatever_the_values() -> None:
    a, b = np.random.default_rng(0), np.random.default_rng(0)
    rank(np.array([1.0, 2.0, 3.0]), a)
    rank(np.array([math.nan, 1.0, 1.0]), b)
    assert a.random() == b.random()
