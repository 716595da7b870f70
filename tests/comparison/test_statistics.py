"""What a few seeds can say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptrain.comparison.statistics import estimate, paired, sign_flip_test

scores = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=12)


@given(scores)
def test_the_interval_lies_inside_of_the_values_and_around_their_mean(values: list[float]) -> None:
    found = estimate(values)
    assert found.low is not None
    assert found.high is not None
    slack = 1e-9 * max(1.0, max(map(abs, values)))
    assert min(values) - slack <= found.low <= found.mean + slack
    assert found.mean - slack <= found.high <= max(values) + slack


def test_an_interval_narrows_with_the_number_of_seeds() -> None:
    few, many = (estimate(np.random.default_rng(1).normal(size=n).tolist()) for n in (6, 200))
    assert few.low is not None
    assert many.low is not None
    assert many.high is not None
    assert few.high is not None
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert many.high - many.low == pytest.approx(2 * 1.96 / 200**0.5, rel=0.15)


def test_fewer_than_three_values_have_no_interval() -> None:
    assert estimate([1.0, 2.0]).low is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0] * 5, 2 / 32),
        ([3.0, -1.0], 1.0),  # |2| is reached by +-4 and +-2: all four
        ([3.0, 2.0, -1.0], 0.5),  # |4|: of the sums 6, 4, 2, 0 and their negatives the first two
        ([0.0, 0.0, 0.0], 1.0),
    ],
)
def test_the_sign_flip_test_counts_all_assignments(differences: list[float], p: float) -> None:
    assert sign_flip_test(differences) == pytest.approx(p)


def test_many_pairs_are_tested_by_sampling() -> None:
    rng = np.random.default_rng(0)
    assert sign_flip_test(rng.normal(0.0, 1.0, 40).tolist()) > 0.05
    assert sign_flip_test(rng.normal(1.0, 1.0, 40).tolist()) < 0.001


@given(scores, st.floats(-100, 100))
def test_the_test_has_two_sides(values: list[float], other: float) -> None:
    others = [other] * len(values)
    forth, back = paired(values, others), paired(others, values)
    assert forth.p == back.p
    assert (forth.ahead, forth.behind) == (back.behind, back.ahead)
    assert forth.p is not None
    assert forth.least_p is not None
    assert forth.least_p <= forth.p <= 1


def test_a_false_alarm_is_as_rare_as_it_should_be() -> None:
    rng = np.random.default_rng(7)
    alarms = [sign_flip_test(rng.normal(size=8).tolist()) < 0.05 for _ in range(400)]
    assert 0.02 < np.mean(alarms) < 0.08
