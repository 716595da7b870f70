"""Explore strategies: one table for what all of them promise, then each one's own rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptrain.core.errors import ConfigError, SpaceError
from poptrain.core.values import Value
from poptrain.space import Choice, Float, Int, Space
from poptrain.strategies.explore import Explore, additive, chain, changes, perturb, resample

SPACE = Space(
    {
        "lr": Float(1e-5, 1.0, log=True),
        "drop": Float(0.0, 0.8),
        "shift": Float(-1.0, 1.0),
        "layers": Int(0, 8),
        "batch": Int(1, 512, log=True),
        "size": Choice([16, 32, 64], ordered=True),
        "act": Choice(["relu", "gelu", "tanh"]),
        "flag": Choice([False, True]),
        "width": Int(8, 64, structural=True),
        "kind": Choice(["a", "b"], structural=True),
        "epochs": 3,
    }
)
EVERY: list[Explore] = [
    perturb(),
    perturb((0.5, 2.0), {"lr": (0.1, 10.0), "drop": (1.0,)}),
    resample(),
    resample(1.0),
    additive(),
    additive(3.0),
    additive(0.3, units="natural"),
    additive(100.0, units="natural"),
    chain(resample(0.25), perturb((0.8, 1.2))),
    chain(additive(0.1), perturb(), resample(0.5)),
]


@pytest.mark.parametrize("explore", EVERY, ids=repr)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_stays_in_the_space_and_leaves_structure_and_constants_alone(explore: Explore, seed: int) -> None:
    explore.check(SPACE)
    rng = np.random.default_rng(seed)
    first = values = SPACE.sample(rng)
    for _ in range(12):
        before = dict(values)
        changed = explore(rng, SPACE, values)
        assert values == before, "the argument was changed"
        assert SPACE.validate(changed) == changed
        assert list(changed) == list(SPACE)
        values = changed
    assert all(values[name] == first[name] for name in ("width", "kind", "epochs"))


@pytest.mark.parametrize("explore", EVERY, ids=repr)
def test_same_generator_same_change(explore: Explore) -> None:
    values = SPACE.sample(np.random.default_rng(0))
    one, two = (explore(np.random.default_rng(9), SPACE, values) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("explore", EVERY, ids=repr)
def test_changes_something_sooner_or_later(explore: Explore) -> None:
    rng = np.random.default_rng(0)
    values = {**SPACE.sample(rng), "layers": 4, "shift": 0.3, "lr": 0.01}
    for name in ("lr", "shift", "layers"):
        assert any(explore(rng, SPACE, values)[name] != values[name] for _ in range(60)), name


def test_factors_are_equally_likely_and_independent() -> None:
    space = Space({"a": Float(1e-3, 1e3, log=True), "b": Float(1e-3, 1e3, log=True)})
    rng = np.random.default_rng(0)
    found = Counter(tuple(perturb((0.5, 2.0))(rng, space, {"a": 1.0, "b": 1.0}).values()) for _ in range(2000))
    assert set(found) == {(0.5, 0.5), (0.5, 2.0), (2.0, 0.5), (2.0, 2.0)}
    assert all(400 < count < 600 for count in found.values()), found


def test_factors_by_name() -> None:
    space = Space({"a": Float(1e-3, 1e3, log=True), "b": Float(1e-3, 1e3, log=True)})
    changed = perturb((2.0,), {"b": (1.0,)})(np.random.default_rng(0), space, {"a": 1.0, "b": 1.0})
    assert changed == {"a": 2.0, "b": 1.0}


def test_resampling_has_its_probability_for_each_hyperparameter() -> None:
    space = Space({"a": Float(0.0, 1.0), "b": Float(0.0, 1.0)})
    rng = np.random.default_rng(0)
    changed = [resample(0.25)(rng, space, {"a": 0.5, "b": 0.5}) for _ in range(2000)]
    moved = [sum(one[name] != 0.5 for one in changed) for name in ("a", "b")]
    assert all(420 < count < 580 for count in moved), moved
    both = sum(one["a"] != 0.5 and one["b"] != 0.5 for one in changed)
    assert 80 < both < 170, "expected 125: independent"


def test_noise_has_its_standard_deviation_in_either_unit() -> None:
    space = Space({"x": Float(0.0, 10.0), "log": Float(1e-4, 1.0, log=True), "n": Int(0, 1000)})
    rng = np.random.default_rng(0)
    start = {"x": 5.0, "log": 1e-2, "n": 500}

    def spread(units: Any, sd: float) -> tuple[Any, ...]:
        moved = [additive(sd, units=units)(rng, space, start) for _ in range(2000)]
        columns = [[float(one[name]) for one in moved] for name in start]  # type: ignore[arg-type]
        return np.std(columns[0]), np.std(np.log10(columns[1])), np.std(columns[2])

    assert spread("range", 0.05) == pytest.approx((0.5, 0.2, 50.0), rel=0.1)
    x, _, n = spread("natural", 0.8)
    assert x == pytest.approx(0.8, rel=0.1)
    assert n == pytest.approx(math.hypot(0.8, 12**-0.5), rel=0.1), "rounding at random adds a twelfth to the variance"


@pytest.mark.parametrize("units", ["range", "natural"])
def test_small_noise_moves_whole_numbers_too(units: Any) -> None:
    space = Space({"n": Int(0, 9), "m": Int(1, 50, log=True)})
    sd = 0.01 if units == "range" else 0.1
    rng = np.random.default_rng(0)
    for name in ("n", "m"):
        found = Counter(additive(sd, units=units)(rng, space, {"n": 5, "m": 5})[name] for _ in range(2000))
        assert {4, 5, 6} <= set(found)
        assert found[5] > 1400, "and mostly leaves them where they are"
        assert abs(found[4] - found[6]) < 100, "without a drift"


def test_noise_leaves_zero() -> None:
    space = Space({"h": Float(0.0, 1.0)})
    rng = np.random.default_rng(0)
    moved = [additive(0.1)(rng, space, {"h": 0.0})["h"] for _ in range(400)]
    assert 150 < sum(value == 0.0 for value in moved) < 250, "half of the noise is clipped, half is not"


def test_a_chain_hands_on_what_the_part_before_returned() -> None:
    space = Space({"a": Float(1e-3, 1e3, log=True)})
    assert chain(perturb((2.0,)), perturb((3.0,)))(np.random.default_rng(0), space, {"a": 1.0}) == {"a": 6.0}


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: perturb(()), "positive numbers"),
    (lambda: perturb((0.8, -1.2)), "positive numbers"),
    (lambda: perturb((0.0, 1.2)), "positive numbers"),
    (lambda: perturb((math.nan,)), "positive numbers"),
    (lambda: perturb((0.8, 1.2), {"lr": (0.0,)}), "'lr'"),
    (lambda: resample(0.0), "at most 1"),
    (lambda: resample(1.5), "1.5"),
    (lambda: additive(0.0), "positive number"),
    (lambda: additive(0.1, units="unit"), "'range' or 'natural'"),  # type: ignore[arg-type]
    (lambda: chain(), "resample() and perturb()"),
    (lambda: chain(perturb), "resample() and perturb()"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "says"), BAD)
def test_errors_say_what_is_wrong(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: chain(resample(), e)])
def test_an_unknown_name_is_found_before_training(wrap: Callable[[Explore], Explore]) -> None:
    with pytest.raises(SpaceError, match="did you mean 'layers'"):
        wrap(perturb((0.8, 1.2), {"layer": (0.5,)})).check(SPACE)


def test_changes_in_words() -> None:
    before: dict[str, Value] = {"lr": 0.01, "drop": 0.0, "layers": 2, "act": "relu", "same": 1.0}
    after: dict[str, Value] = {"lr": 0.012, "drop": 0.02, "layers": 3, "act": "gelu", "same": 1.0}
    assert changes(before, after) == "lr 0.01 -> 0.012 (x1.2), drop 0 -> 0.02, layers 2 -> 3, act relu -> gelu"
    assert changes(before, before) == "no hyperparameter changed"
