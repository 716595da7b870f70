"""Domains: values never leave them, moves are never lost, and every form of a value comes back."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from poptrain.core.errors import SpaceError
from poptrain.space import Choice, Constant, Float, Int, Parameter, Space, choice, loguniform, randint, uniform

bounded = st.floats(-1e12, 1e12, allow_subnormal=False)
factors = st.floats(1e-3, 1e3)
scalars = st.one_of(st.text(max_size=5), st.integers(-5, 5), st.booleans(), st.none(), st.floats(-2, 2))


def key(value: Any) -> tuple[bool, Any]:
    return isinstance(value, bool), value


@st.composite
def float_domains(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    numbers = st.floats(1e-12, 1e12) if log else bounded
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    assume(not log or math.log(low) < math.log(high))
    return Float(low, high, log=log)


@st.composite
def int_domains(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -(10**9), 10**9))
    return Int(low, low + draw(st.integers(1, 10**9)), log=log)


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    return Choice(draw(st.lists(scalars, min_size=2, max_size=6, unique_by=key)), ordered=draw(st.booleans()))


domains: st.SearchStrategy[Parameter] = st.one_of(float_domains(), int_domains(), choices(), scalars.map(Constant))


@given(domains, st.lists(factors, min_size=1, max_size=25), st.integers(0, 2**32))
def test_no_chain_of_moves_leaves_the_domain(domain: Parameter, moves: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    value = domain.sample(rng)
    for factor in moves:
        value = domain.perturb(value, factor, rng)
        assert domain.contains(value), (value, domain)
        assert domain.clip(value) == value
        assert type(value) in (float, int, str, bool, type(None))


@given(domains, st.integers(0, 2**32))
def test_the_unit_interval_and_back(domain: Parameter, seed: int) -> None:
    value = domain.sample(np.random.default_rng(seed))
    unit = domain.to_unit(value)
    assert 0.0 <= unit <= 1.0
    back = domain.from_unit(unit)
    if isinstance(domain, Float):
        assert isinstance(back, float)
        assert isinstance(value, float)
        assert math.isclose(back, value, rel_tol=1e-9, abs_tol=1e-9 * (domain.high - domain.low))
    else:
        assert back == value
        assert type(back) is type(value)


@given(domains, st.floats(-1, 2))
def test_every_place_stands_for_a_value(domain: Parameter, unit: float) -> None:
    assert domain.contains(domain.from_unit(unit))


@given(domains)
def test_json_and_back_is_exact(domain: Parameter) -> None:
    back = Space.from_json(json.loads(json.dumps(Space({"x": domain}).to_json())))["x"]
    assert back == domain
    assert repr(back) == repr(domain)  # 1 and 1.0, True and 1 are told apart


@given(int_domains(), factors.filter(lambda f: f != 1.0), st.integers(0, 2**32))
def test_whole_numbers_move_in_the_direction_of_the_factor(domain: Int, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    value = domain.sample(rng)
    moved = domain.perturb(value, factor, rng)
    if factor > 1.0:
        assert moved > value or value == domain.high
    else:
        assert moved < value or value == domain.low


def test_a_small_whole_number_is_not_stuck() -> None:
    rng = np.random.default_rng(0)
    assert Int(0, 8).perturb(1, 0.8, rng) == 0
    assert Int(0, 8).perturb(0, 1.2, rng) == 1, "zero absorbs"
    assert Int(1, 8).perturb(1, 0.8, rng) == 1, "clipped at the bound"
    assert Int(1, 8).perturb(1, 1.2, rng) == 2
    assert Int(1, 1000, log=True).perturb(100, 1.2, rng) == 120
    assert Int(-8, 8).perturb(-5, 1.2, rng) == -4, "up is up for negative numbers too"


@given(st.floats(0.01, 1.0), st.sampled_from([0.5, 0.8, 1.2, 2.0]))
def test_logarithmic_ranges_multiply_exactly(value: float, factor: float) -> None:
    domain = Float(1e-6, 1e3, log=True)
    assert domain.perturb(value, factor, np.random.default_rng(0)) == value * factor


@pytest.mark.parametrize("domain", [Float(0.0, 0.5), Float(-1.0, 1.0), Float(-3.0, 0.0)])
@pytest.mark.parametrize("factor", [0.8, 1.2, 0.5, 2.0])
def test_zero_is_not_absorbing(domain: Float, factor: float) -> None:
    moved = domain.perturb(0.0, factor, np.random.default_rng(0))
    bound = domain.high if factor > 1 else domain.low
    assert moved == 0.0 if bound == 0.0 else (moved - 0.0) * (factor - 1.0) > 0.0
    if bound != 0.0:
        assert 0.01 < abs(moved) / (domain.high - domain.low) < 0.1, "a move from zero is a few per cent of the range"


@given(st.floats(-5, 5), st.floats(1.05, 4.0))
def test_a_factor_above_one_raises_and_its_inverse_lowers(value: float, factor: float) -> None:
    domain = Float(-10.0, 30.0)
    rng = np.random.default_rng(0)
    assert domain.perturb(value, factor, rng) > value
    assert domain.perturb(value, 1.0 / factor, rng) < value


def test_a_factor_of_one_moves_nothing() -> None:
    rng = np.random.default_rng(0)
    for domain, value in (
        (Float(0.0, 1.0), 0.3),
        (Int(0, 9), 3),
        (Choice([1, 2, 3], ordered=True), 2),
        (Choice(["a", "b"]), "a"),
    ):
        assert {domain.perturb(value, 1.0, rng) for _ in range(50)} == {value}


def test_ordered_choices_move_to_a_neighbour() -> None:
    domain, rng = Choice([16, 32, 64, 128], ordered=True), np.random.default_rng(0)
    assert domain.perturb(32, 2.0, rng) == 64
    assert domain.perturb(64, 0.8, rng) == 32
    assert domain.perturb(128, 1.2, rng) == 128
    assert domain.perturb(16, 0.5, rng) == 16


def test_unordered_choices_are_redrawn_among_the_others_one_time_in_four() -> None:
    domain, rng = Choice(["a", "b", "c", "d"]), np.random.default_rng(0)
    found = Counter(domain.perturb("b", 1.2, rng) for _ in range(4000))
    assert set(found) == {"a", "b", "c", "d"}
    assert 2850 < found["b"] < 3150, "expected 3000, standard deviation 27"
    assert all(240 < found[other] < 430 for other in "acd"), found


def test_samples_fill_the_domain_evenly() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(Int(1, 4).sample(rng) for _ in range(4000))
    assert all(880 < counts[k] < 1120 for k in (1, 2, 3, 4)), counts
    logs = [math.log10(Float(1e-4, 1.0, log=True).sample(rng)) for _ in range(4000)]
    assert abs(np.mean(logs) + 2.0) < 0.08, "the middle of the logarithms"
    plain = [Float(0.0, 10.0).sample(rng) for _ in range(4000)]
    assert abs(np.mean(plain) - 5.0) < 0.2


def test_booleans_are_no_numbers() -> None:
    flag = Choice([False, True])
    assert flag.contains(True)
    assert not flag.contains(1)
    assert not Int(0, 5).contains(True)
    assert not Float(0.0, 1.0).contains(True)
    assert not Choice([0, 1]).contains(True)
    assert not Constant(1).contains(True)


def test_numpy_scalars_become_python_scalars() -> None:
    def scalar(kind: Any, value: Any) -> Any:
        return kind(value)

    domain = Float(scalar(np.float64, 0.0), scalar(np.float32, 0.5))
    assert type(domain.high) is float
    assert type(Int(scalar(np.int64, 1), scalar(np.int8, 5)).low) is int
    assert type(domain.clip(scalar(np.float64, 0.25))) is float
    assert type(Int(1, 5).clip(scalar(np.int64, 9))) is int
    options = Choice([scalar(np.int64, 1), scalar(np.str_, "a"), scalar(np.bool_, True)]).options
    assert [type(option) for option in options] == [int, str, bool]
    assert type(Constant(scalar(np.float64, 2.0)).value) is float


def test_values_outside_are_clipped_to_the_nearest_one() -> None:
    assert Float(0.0, 1.0).clip(7) == 1.0
    assert Float(0.0, 1.0).clip(-math.inf) == 0.0
    assert Int(1, 8).clip(-3) == 1
    assert Choice([16, 32, 64], ordered=True).clip(50) == 64
    assert Choice([16, 32, 64], ordered=True).clip(1000) == 64


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: Float(1.0, 1.0), "use Constant"),
    (lambda: Float(2.0, 1.0), "low < high"),
    (lambda: Float(math.nan, 1.0), "finite"),
    (lambda: Float(0.0, math.inf), "finite"),
    (lambda: Float(-1e308, 1e308), "narrow it"),
    (lambda: Float(0.0, 1.0, log=True), "raise low or pass log=False"),
    (lambda: Float(1e9, math.nextafter(1e9, 2e9), log=True), "logarithms"),
    (lambda: Float(True, 2.0), "finite number"),
    (lambda: Float("0", 1.0), "finite number"),  # type: ignore[arg-type]
    (lambda: Int(1, 1), "use Constant"),
    (lambda: Int(3, 1), "low < high"),
    (lambda: Int(0.5, 1), "use Float"),  # type: ignore[arg-type]
    (lambda: Int(False, 3), "whole number"),
    (lambda: Int(0, 5, log=True), "low >= 1"),
    (lambda: Int(0, 2**60), "2**53"),
    (lambda: Choice([]), "at least two"),
    (lambda: Choice([1]), "use Constant"),
    (lambda: Choice([1, 2, 1.0]), "twice: remove one"),
    (lambda: Choice("abc"), "list of values"),
    (lambda: Choice([1.0, math.nan]), "finite"),
    (lambda: Choice([[1], [2]]), "string, number"),  # type: ignore[list-item]
    (lambda: Constant(math.inf), "finite"),
    (lambda: Constant([1]), "string, number"),  # type: ignore[arg-type]
    (lambda: Float(0.0, 1.0).clip("x"), "a number in"),
    (lambda: Float(0.0, 1.0).clip(math.nan), "a number in"),
    (lambda: Int(0, 5).clip(True), "a whole number"),
    (lambda: Int(0, 5).clip(math.inf), "a whole number"),
    (lambda: Choice(["a", "b"]).clip("c"), "one of 'a', 'b'"),
    (lambda: Choice(["a", "b"]).perturb("c", 1.2, np.random.default_rng(0)), "one of"),
    (lambda: Choice([0, 1]).to_unit(False), "one of"),
]


@pytest.mark.parametrize(("make", "says"), BAD)
def test_errors_say_the_rule_and_the_remedy(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    assert says in str(caught.value)


def test_short_names() -> None:
    assert uniform(0, 1) == Float(0.0, 1.0)
    assert loguniform(1e-3, 1) == Float(1e-3, 1.0, log=True)
    assert randint(1, 3) == Int(1, 3)
    assert choice(["a", "b"]) == Choice(["a", "b"])


@given(st.integers(1, 60), st.integers(0, 2**32))
@settings(max_examples=50)
def test_logarithmic_whole_numbers_are_all_reachable(high: int, seed: int) -> None:
    domain = Int(1, high + 1, log=True)
    assert {domain.from_unit(domain.to_unit(value)) for value in range(1, high + 2)} == set(range(1, high + 2))
    assert domain.contains(domain.sample(np.random.default_rng(seed)))


# Transforms and bounds.

DISCOUNT, ODDS = Float(0.5, 0.999, transform="1-x"), Float(0.01, 0.99, transform="logit")


@pytest.mark.parametrize(
    ("domain", "value", "factor", "want"),
    [
        (DISCOUNT, 0.9, 2.0, 0.95),
        (DISCOUNT, 0.9, 0.5, 0.8),
        (ODDS, 0.5, 2.0, 2 / 3),
        (ODDS, 0.5, 0.5, 1 / 3),
        (ODDS, 0.99, 2.0, 0.99),
    ],
)
def test_transformed_numbers_are_perturbed_by_their_transform(domain: Float, value: float, factor: float, want: float) -> None:
    assert domain.perturb(value, factor, np.random.default_rng(0)) == pytest.approx(want)


@pytest.mark.parametrize("domain", [DISCOUNT, ODDS])
def test_transformed_numbers_are_drawn_by_their_transform(domain: Float) -> None:
    # half of the draws lie on either side of the middle of the transformed range
    rng = np.random.default_rng(0)
    middle = domain.from_unit(0.5)
    share = np.mean([domain.sample(rng) < middle for _ in range(2000)])
    assert 0.45 < share < 0.55
    assert DISCOUNT.from_unit(0.5) == pytest.approx(1 - math.sqrt(0.5 * 0.001))
    assert ODDS.from_unit(0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.1, "high": 0.9, "transform": "sqrt"}, "'1-x' or 'logit'"),
        ({"low": 0.1, "high": 0.9, "transform": "1-x", "log": True}, "not both"),
        ({"low": 0.1, "high": 1.0, "transform": "1-x"}, "high < 1"),
        ({"low": 0.0, "high": 0.9, "transform": "logit"}, "low > 0"),
        ({"low": 0.1, "high": 0.9, "bounds": "wrap"}, "'clip' or 'reflect'"),
    ],
)
def test_transforms_and_bounds_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Float(**options)


def test_reflection_comes_back_from_the_bound_by_as_much() -> None:
    rng = np.random.default_rng(0)
    assert Float(0.0, 1.0, bounds="reflect").perturb(0.9, 1.2, rng) == pytest.approx(0.92)
    assert Float(0.01, 1.0, log=True, bounds="reflect").perturb(0.9, 2.0, rng) == pytest.approx(1 / 1.8)
    assert Int(1, 8, bounds="reflect").perturb(8, 1.2, rng) == 6
    assert Float(0.0, 1.0).perturb(0.9, 1.2, rng) == 1.0


@given(
    st.floats(0.01, 0.98), st.floats(0.05, 20.0), st.sampled_from(["", "1-x", "logit"]), st.sampled_from(["clip", "reflect"])
)
def test_moves_end_inside_of_every_kind_of_range(value: float, factor: float, transform: Any, bounds: Any) -> None:
    domain = Float(0.01, 0.98, transform=transform, bounds=bounds)
    moved = domain.perturb(value, factor, np.random.default_rng(0))
    assert domain.contains(moved)
    assert domain.from_unit(domain.to_unit(moved)) == pytest.approx(moved)
    whole = Int(-3, 9, bounds=bounds)
    assert whole.contains(whole.perturb(round(12 * value) - 3, factor, np.random.default_rng(0)))


def test_a_space_keeps_transforms_and_bounds() -> None:
    space = Space({"gamma": DISCOUNT, "drop": Float(0.0, 0.5, bounds="reflect"), "layers": Int(1, 4, bounds="reflect")})
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space
    assert "bounds" not in Float(0.0, 1.0).to_json()
