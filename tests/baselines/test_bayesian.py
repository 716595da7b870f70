"""Bayesian search: drawn first, then proposed by a model that knows what is still in training."""

from __future__ import annotations

import logging
import math
import sys
from typing import Any

import pytest
from campaigns import campaign
from hypothesis import given, settings
from hypothesis import strategies as st

from poptrain.baselines import BayesianSearch, RandomSearch
from poptrain.core.errors import BudgetError, ConfigError, MissingExtra
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.space import Choice, Float, Int, Space
from poptrain.strategies import Context
from poptrain.strategies.codec import policy_from_json, policy_to_json

optuna = pytest.importorskip("optuna")

SPACE = Space(
    {
        "lr": Float(1e-4, 1.0, log=True),
        "layers": Int(1, 8),
        "batch": Choice([16, 32, 64], ordered=True),
        "flag": Choice([True, 1, "x", None]),
        "fixed": 7,
    }
)


def context(space: Space = SPACE, *, population: int = 4, intervals: int = 20, seed: int = 0) -> Context:
    return Context(Keys(seed), space, population, intervals)


def near_a_hundredth(hparams: Hparams, age: int, interval: int) -> float:
    rate = hparams["lr"]
    assert isinstance(rate, float)
    return -((math.log10(rate) + 2.0) ** 2) - (0.0 if hparams.get("flag") == "x" else 0.5) - 1.0 / age


def test_it_begins_where_the_others_begin_and_draws_until_it_knows_enough() -> None:
    ctx = context()
    policy = BayesianSearch(length=2, warm_up=6)
    assert policy.init(ctx)[1] == RandomSearch().init(ctx)[1]
    run = campaign(policy, ctx, near_a_hundredth)
    sources = [restart.because.rpartition(": ")[2] for restart in run.restarts]
    assert sources[:4] == ["random, 4 of 6 configurations are over"] * 4
    assert sources[4:8] == ["model (tpe) of 8"] * 4
    assert run.restarts[0].because.startswith("configuration 0 had its turn of 2 intervals; configuration 4 begins")


@pytest.mark.parametrize("synchronous", [True, False])
@given(seed=st.integers(0, 1000), bad=st.floats(0.0, 1.0), length=st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_proposals_are_pure_and_inside_of_the_space_whatever_fails(
    synchronous: bool, seed: int, bad: float, length: int
) -> None:
    def score(hparams: Hparams, age: int, interval: int) -> float:
        fitness = near_a_hundredth(hparams, age, interval)
        return fitness if hash((fitness, seed)) % 100 >= 100 * bad else math.nan

    ctx = context(population=3, intervals=12, seed=seed)
    run = campaign(BayesianSearch(length=length, warm_up=3), ctx, score, synchronous=synchronous, shuffle=seed)
    assert run.state.turns.count == len(run.state.hparams) == 3 + len(run.restarts)
    assert all(spent <= length for m in range(3) for _, spent in run.turns(m))


def test_the_model_finds_better_configurations_than_the_draws() -> None:
    drawn, modelled = [], []
    for seed in range(5):
        ctx = context(population=2, intervals=30, seed=seed)
        run = campaign(BayesianSearch(length=1, warm_up=10), ctx, near_a_hundredth)
        scores = [near_a_hundredth(restart.hparams, 1, 1) for restart in run.restarts]
        drawn += [s for s, restart in zip(scores, run.restarts, strict=True) if "random" in restart.because]
        modelled += [s for s, restart in zip(scores[-20:], run.restarts[-20:], strict=True) if "model" in restart.because]
    assert len(modelled) == 100
    assert sum(modelled) / len(modelled) > sum(drawn) / len(drawn) + 0.5


def test_those_in_training_are_not_proposed_again() -> None:
    """Proposals made in one moment, with one and the same seed, differ: each knows of those before."""
    space = Space({"lr": Float(1e-4, 1.0, log=True)})
    run = campaign(BayesianSearch(length=1, warm_up=6), context(space, population=6, intervals=3), near_a_hundredth)
    assert len({restart.hparams["lr"] for restart in run.restarts[-6:]}) == 6


def test_a_gaussian_process_proposes_too() -> None:
    pytest.importorskip("torch")
    run = campaign(BayesianSearch(sampler="gp", length=1, warm_up=4), context(population=2, intervals=4), near_a_hundredth)
    assert run.restarts[-1].because.endswith("model (gp) of 6")


def test_it_writes_nothing_and_leaves_optunas_logging_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.DEBUG):
            campaign(BayesianSearch(length=1, warm_up=2), context(population=2, intervals=4), near_a_hundredth)
    finally:
        optuna.logging.disable_propagation()
    assert optuna.logging.get_verbosity() == before
    assert not [record for record in caplog.records if record.name.startswith("optuna")]


def test_it_stops_where_everything_fails() -> None:
    run = campaign(BayesianSearch(length=2, warm_up=2), context(), lambda *_: math.nan)
    assert run.stopped is not None


@pytest.mark.parametrize("options", [{"sampler": "grid"}, {"length": 0}, {"warm_up": 0}, {"warm_up": True}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        BayesianSearch(**options)


def test_studies_in_which_the_model_has_no_say_are_refused() -> None:
    with pytest.raises(BudgetError, match="have done 4 of 10 intervals each when the last ones begin"):
        BayesianSearch(length=10).init(context())
    with pytest.raises(ConfigError, match="only constants: fixed"):
        BayesianSearch().init(context(Space({"fixed": 7})))


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "poptrain.baselines.ask_optuna", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"pip install 'poptrain\[bayesian\]'"):
        BayesianSearch().init(context())


def test_it_survives_the_journal() -> None:
    policy = BayesianSearch(sampler="gp", length=3, initial=({"lr": 0.1},))
    assert policy_from_json(policy_to_json(policy)) == policy
