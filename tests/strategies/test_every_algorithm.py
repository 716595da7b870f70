"""One table over every algorithm: whatever it is called, it keeps the contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from campaigns import Campaign, campaign
from hypothesis import given, settings
from hypothesis import strategies as st
from populations import context_of

from poptrain.baselines import BayesianSearch, Manual, RandomSearch
from poptrain.baselines.by_name import ALGORITHMS
from poptrain.core.decisions import Replace
from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams
from poptrain.space import Choice, Float, Int
from poptrain.strategies import PBT, Algorithm, Context, Restarts, exploit, explore
from poptrain.strategies.codec import policy_from_json, policy_to_json

SPACE = {
    "lr": Float(1e-4, 1.0, log=True),
    "gamma": Float(0.5, 0.999, transform="1-x"),
    "drop": Float(0.0, 0.5, bounds="reflect"),
    "k": Int(1, 9),
    "act": Choice(["relu", "gelu"]),
    "batch": Choice([16, 32, 64], ordered=True),
}
SMALL = {"lr": SPACE["lr"], "act": SPACE["act"]}  # a grid of it has room everywhere
HALF = exploit.truncation(0.5)

EVERY: dict[str, Callable[[], Algorithm[Any]]] = {
    **ALGORITHMS,
    "pbt": lambda: PBT(exploit=HALF),
    "restarts": lambda: Restarts(inner=PBT(exploit=HALF), patience=1, window=1),
    "bayesian": lambda: BayesianSearch(length=2, warm_up=3),
    "pbt by t-test": lambda: PBT(exploit=exploit.t_test(window=3)),
    "pbt by tournament": lambda: PBT(exploit=exploit.tournament(), explore=explore.resample(0.5)),
    "pbt by dead band": lambda: PBT(exploit=exploit.dead_band(quantile=0.5)),
    "pbt with confirmation": lambda: PBT(exploit=HALF, confirm=2),
    "pbt of hyperparameters": lambda: PBT(exploit=HALF, copy="hyperparameters"),
    "pbt of weights": lambda: PBT(exploit=HALF, copy="weights"),
    "pbt at equal steps": lambda: PBT(exploit=HALF, compare="equal_step", max_lag=3, grace=1),
    "pbt without explore": lambda: PBT(exploit=HALF, explore=None),
    "random in turns": lambda: RandomSearch(length=2),
    "manual": lambda: Manual(({"lr": 0.1, "act": "relu"}, {"lr": 0.2, "act": "gelu"})),
}
MODEL_FREE = [name for name in EVERY if name not in ("bayesian", "pb2", "bg-pbt")]


def wavy(hparams: Hparams, age: int, interval: int) -> float:
    return math.sin(40 * float(hparams["lr"])) + 0.1 * age  # type: ignore[arg-type]


def _refusal(algorithm: Algorithm[Any], context: Context) -> str:
    try:
        algorithm.init(context)
    except ConfigError as error:
        return str(error)
    return ""


def play(name: str, population: int, *, score: Any = wavy, intervals: int = 8, synchronous: bool = True) -> Campaign | None:
    """Return a whole study; None where the algorithm refuses so small a population, which must be an error with a remedy."""
    algorithm = EVERY[name]()
    context = context_of(SMALL, population, intervals=intervals)
    refused = _refusal(algorithm, context)
    if refused:
        assert population < 5, refused
        assert "population" in refused
        return None
    return campaign(algorithm, context, score, synchronous=synchronous)


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("population", [1, 2, 3, 9])
@pytest.mark.parametrize("name", EVERY)
def test_pure_with_a_state_that_survives_and_hyperparameters_inside(name: str, population: int, synchronous: bool) -> None:
    run = play(name, population, synchronous=synchronous)
    if run is not None:
        assert [len(line) for line in run.trained] == [8] * population


@pytest.mark.parametrize("name", MODEL_FREE)
def test_a_thousand_members(name: str) -> None:
    run = play(name, 1000, intervals=3)
    assert run is not None
    assert sum(map(len, run.trained)) == 3000


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("name", EVERY)
def test_what_failed_never_donates(name: str, synchronous: bool) -> None:
    def score(hparams: Hparams, age: int, interval: int) -> float:
        return math.nan if float(hparams["lr"]) > 0.03 else wavy(hparams, age, interval)  # type: ignore[arg-type]

    run = play(name, 9, score=score, synchronous=synchronous)
    assert run is not None
    for decision in run.decisions:
        if isinstance(decision, Replace) and decision.donor != decision.member and synchronous:
            hparams = run.trained[decision.donor][decision.donor_interval - 1][0]
            assert math.isfinite(score(hparams, 1, 1)), decision


@pytest.mark.parametrize("name", EVERY)
def test_equal_scores_are_no_obstacle(name: str) -> None:
    run = play(name, 9, score=lambda hparams, age, interval: 1.0)
    assert run is not None
    assert [len(line) for line in run.trained] == [8] * 9


@pytest.mark.parametrize("name", EVERY)
def test_it_survives_the_journal(name: str) -> None:
    algorithm = EVERY[name]()
    assert policy_from_json(policy_to_json(algorithm)) == algorithm


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from([n for n in MODEL_FREE if n not in ("grid", "manual")]), data=st.data())
def test_hyperparameters_stay_inside_of_every_kind_of_domain(name: str, data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.floats(-10, 10) | st.just(math.nan), min_size=40, max_size=40))
    drawn = iter(scores * 10)
    context = context_of(SPACE, 8, intervals=5, seed=data.draw(st.integers(0, 99)))
    campaign(EVERY[name](), context, lambda hparams, age, interval: next(drawn))  # which checks every start and decision
