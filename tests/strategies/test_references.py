"""PBT is held to reference values of three toys, computed independently from their definitions.

A reference is the median or mean of 200 runs with its spread. Ours, of fewer runs, has to lie within four standard errors of
the difference, in both directions: a PBT that does better than it should is as wrong as one that does worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
from populations import train

from poptrain.space import Float
from poptrain.strategies import PBT, RandomSearch, exploit, explore
from poptrain.tasks import toy, toy_deceptive, toy_plain

# The toy of figure 2.

SEEDS = 60


@cache
def figure_two(copy: Literal["weights", "both"]) -> Any:
    """Return the best score at every second step up to 400, shape (seeds, 200)."""
    return np.array(
        [
            train(toy.FigureTwo, toy.SPACE, toy.algorithm(copy), population=2, intervals=100, steps=(2, 2), seed=seed)
            for seed in range(SEEDS)
        ]
    )


@pytest.mark.parametrize(
    ("copy", "steps", "median", "low", "high"),
    [
        ("weights", 50, 0.649, 0.547, 0.756),
        ("weights", 100, 1.021, 0.913, 1.102),
        ("weights", 200, 1.181, 1.130, 1.197),
        ("both", 50, 0.519, 0.323, 0.752),
        ("both", 100, 1.016, 0.393, 1.155),
        ("both", 200, 1.199, 0.981, 1.200),
    ],
)
def test_figure_two(copy: Literal["weights", "both"], steps: int, median: float, low: float, high: float) -> None:
    found = np.median(figure_two(copy)[:, steps // 2 - 1])
    deviation = (high - low) / 3.29  # 5 % and 95 % of a normal distribution
    error = 1.2533 * deviation * math.sqrt(1 / SEEDS + 1 / 200)
    assert abs(found - median) < 4 * error, f"{found:.3f}, expected {median} +- {4 * error:.3f}"


@pytest.mark.parametrize("copy", ["weights", "both"])
def test_figure_two_is_solved_after_400_steps(copy: Literal["weights", "both"]) -> None:
    assert np.median(figure_two(copy)[:, -1]) == pytest.approx(1.2, abs=2e-3)
    assert figure_two(copy).max() <= 1.2


@pytest.mark.parametrize(("steps", "expected"), [(50, 0.283), (100, 0.376), (200, 0.390), (400, 0.390)])
def test_figure_two_without_copies_is_a_grid_search(steps: int, expected: float) -> None:
    alone = PBT(exploit=None, initial=toy.STARTS)
    best = train(toy.FigureTwo, toy.SPACE, alone, population=2, intervals=100, steps=(2, 2), seed=0)
    assert best[steps // 2 - 1] == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("steps", "expected"), [(50, 0.985), (100, 1.172), (200, 1.1995), (400, 1.2)])
def test_figure_two_with_the_right_surrogate(steps: int, expected: float) -> None:
    oracle = RandomSearch(initial=({"h0": 1.0, "h1": 1.0},))
    best = train(toy.FigureTwo, toy.SPACE, oracle, population=1, intervals=100, steps=(2, 2), seed=0)
    assert best[steps // 2 - 1] == pytest.approx(expected, abs=5e-4)


def test_a_factor_leaves_zero_too() -> None:
    """Multiplication alone would give both members the same zero, and 0.39 for ever."""
    algorithm = PBT(exploit=exploit.truncation(0.5), explore=explore.perturb((0.8, 1.2)), initial=toy.STARTS)
    for seed in range(5):
        best = train(toy.FigureTwo, toy.SPACE, algorithm, population=2, intervals=100, steps=(4,), seed=seed)
        assert best[-1] > 1.19


# The plain and the deceptive toy.


def starts(seed: int) -> tuple[dict[str, float], ...]:
    return tuple({"h": float(h)} for h in np.random.default_rng(seed).uniform(0.9, 1.1, toy_plain.POPULATION))


def ends(kind: Any, algorithm: Callable[[int], Any], seeds: int, space: Any = toy_plain.SPACE) -> list[float]:
    sizes = {"population": toy_plain.POPULATION, "intervals": toy_plain.INTERVALS, "steps": (toy_plain.INTERVAL_STEPS,)}
    return [train(kind, space, algorithm(seed), **sizes, seed=seed)[-1] for seed in range(seeds)]  # type: ignore[arg-type]


def close(found: list[float], mean: float, deviation: float) -> None:
    error = deviation * math.sqrt(1 / len(found) + 1 / 200)
    assert abs(np.mean(found) - mean) < 4 * error, f"{np.mean(found):.4f}, expected {mean} +- {4 * error:.4f}"


@pytest.mark.parametrize(("factor", "expected"), [(2.0, 1.1997), (1.2, 1.1995)])
def test_plain_toy(factor: float, expected: float) -> None:
    found = ends(toy_plain.Plain, lambda seed: toy_plain.algorithm(factor, starts(seed)), 6)
    assert np.mean(found) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("factor", "mean", "deviation"), [(2.0, 0.914, 0.025), (1.2, 1.012, 0.042)])
def test_greedy_pbt_loses_on_the_deceptive_toy(factor: float, mean: float, deviation: float) -> None:
    close(ends(toy_deceptive.Deceptive, lambda seed: toy_plain.algorithm(factor, starts(seed)), 20), mean, deviation)


def test_constants_on_both_toys() -> None:
    space = {"h": Float(1e-4, 1.1)}
    close(ends(toy_deceptive.Deceptive, lambda _: RandomSearch(), 12, space), 1.095, 0.004)
    assert np.mean(ends(toy_plain.Plain, lambda _: RandomSearch(), 3, space)) == pytest.approx(1.1997, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "schedule", "expected"),
    [
        (toy_plain.Plain, lambda i: 1.0 - i / 50, 1.1979),
        (toy_plain.Plain, lambda i: 0.0, 1.1997),
        (toy_deceptive.Deceptive, lambda i: 1.0 - i / 50, 1.1979),
        (toy_deceptive.Deceptive, lambda i: 0.0, 0.827),
    ],
)
def test_toys_under_a_schedule(kind: Any, schedule: Callable[[int], float], expected: float) -> None:
    one = kind()
    for interval in range(toy_plain.INTERVALS):
        one.configure({"h": float(schedule(interval))})
        one.step(toy_plain.INTERVAL_STEPS)
    assert one.evaluate() == pytest.approx(expected, abs=5e-4)
