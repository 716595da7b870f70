"""Ranking: finite values by size, everything else last, ties by lot."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from poptrain.core.ranking import rank, rank_fronts

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


# Several objectives.

points = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(2, 3)), elements=st.integers(-3, 3).map(float))


def dominates(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool((a >= b).all() and (a > b).any())


@given(points, st.integers(0, 5))
def test_nobody_ranks_behind_whom_it_dominates(values: NDArray[np.float64], seed: int) -> None:
    order = rank_fronts(values, np.random.default_rng(seed)).tolist()
    assert sorted(order) == list(range(len(values)))
    for place, i in enumerate(order):
        assert not any(dominates(values[j], values[i]) for j in order[place + 1 :])


@given(points)
def test_one_objective_twice_ranks_as_that_objective(values: NDArray[np.float64]) -> None:
    column = values[:, 0]
    order = rank_fronts(np.stack([column, column], axis=1), np.random.default_rng(0))
    assert column[order].tolist() == sorted(column.tolist(), reverse=True)


def test_the_ends_of_a_front_rank_before_its_middle_and_failures_last() -> None:
    values = np.array([[1.0, 1.0], [0.0, 4.0], [2.0, 2.5], [3.0, 2.0], [4.0, 0.0], [np.inf, 9.0]])
    order = rank_fronts(values, np.random.default_rng(0)).tolist()
    assert set(order[:2]) == {1, 4}
    assert set(order[2:4]) == {2, 3}
    assert order[4:] == [0, 5]
