"""PB2 and BG-PBT: what their model learns from, and where it sends copies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from populations import context_of, round_of
from studies import history
from studies import run as study_run

from poptrain.core.decisions import Continue, Replace, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.events import Replaced
from poptrain.space import Choice, Float, Int, Space
from poptrain.strategies import BGPBT, PB2
from poptrain.strategies.gp.bandit import chances, rewarded
from poptrain.strategies.gp.bg_pbt import BGPBTState
from poptrain.strategies.gp.memory import Memory
from poptrain.strategies.gp.rows import Row, Table, place_of, value_of

pytest.importorskip("sklearn")

from poptrain.strategies.gp.model import Model

SPACE = {"lr": Float(1e-4, 1.0, log=True), "drop": Float(0.0, 0.5), "act": Choice(["relu", "gelu", "tanh"])}


def play(algorithm: Any, score: Any, *, population: int = 4, intervals: int = 10, space: Any = SPACE, seed: int = 0) -> Any:
    """Return (states, decisions) of every round; fitness is the sum of `score(hparams, interval)` along the weights."""
    context = context_of(space, population, intervals=intervals, seed=seed)
    state, starts = algorithm.init(context)
    hparams, fitness = [dict(h) for h in starts], [0.0] * population
    kept: dict[tuple[int, int], float] = {}
    states, decided = [state], []
    for interval in range(1, intervals + 1):
        fitness = [f + score(h, interval) for f, h in zip(fitness, hparams, strict=True)]
        kept.update({(m, interval): fitness[m] for m in range(population)})
        state, decisions = algorithm.tell(context, state, round_of(interval, fitness, hparams))
        states.append(state)
        decided.append(decisions)
        for decision in decisions:
            assert not isinstance(decision, Stop)
            if isinstance(decision, Replace):
                hparams[decision.member] = dict(decision.hparams)
                fitness[decision.member] = kept[decision.donor, decision.donor_interval]
    return states, decided


def peak(hparams: Any, interval: int) -> float:
    """Best at lr 0.01 and without dropout; gelu is better than the others."""
    distance = math.log10(hparams["lr"]) + 2
    return float(1.0 - distance**2 / 4 - hparams["drop"] + 0.3 * (hparams["act"] == "gelu"))


# Rows.


def test_a_copy_is_not_a_gain() -> None:
    states, decided = play(PB2(), peak)
    for interval, decisions in enumerate(decided[:-1], start=1):
        copied = {d.member for d in decisions if isinstance(d, Replace)}
        fresh = [row for row in states[interval + 1].rows if row.time == interval + 1]
        assert len(fresh) == 4
        for member, row in enumerate(fresh):
            lr = 10 ** (4 * row.units[0] - 4)
            own = peak({"lr": lr, "drop": 0.5 * row.units[1], "act": SPACE["act"].options[row.options[0]]}, row.time)  # type: ignore[attr-defined]
            assert row.gain == pytest.approx(own), f"member {member}, {'copied' if member in copied else 'not copied'}"


def test_the_first_interval_makes_no_row_and_a_failed_one_makes_the_worst() -> None:
    context = context_of(SPACE, 3)
    state, starts = PB2().init(context)
    state, _ = PB2().tell(context, state, round_of(1, [1.0, 2.0, 3.0], starts))
    assert state.rows == []
    state, _ = PB2().tell(context, state, round_of(2, [1.5, math.nan, 2.0], starts))
    gains = [row.gain for row in state.rows]
    assert gains.count(None) == 1
    assert Table(state.rows, 100).y[gains.index(None)] == Table(state.rows, 100).y.min()


@given(st.floats(1e-4, 1.0), st.floats(0.0, 0.5), st.sampled_from(["relu", "gelu", "tanh"]))
def test_hyperparameters_come_back_from_their_place(lr: float, drop: float, act: str) -> None:
    space = Space(SPACE)
    base: dict[str, Any] = {"lr": 0.5, "drop": 0.1, "act": "relu"}
    found = value_of(space, base, *place_of(space, {"lr": lr, "drop": drop, "act": act}))
    assert found["act"] == act
    assert found["lr"] == pytest.approx(lr)
    assert found["drop"] == pytest.approx(drop)


def test_a_logarithmic_range_is_modelled_by_its_logarithm() -> None:
    units, _ = place_of(Space(SPACE), {"lr": 0.01, "drop": 0.25, "act": "relu"})
    assert units == pytest.approx([0.5, 0.5])


# The model.


def rows(values: Sequence[tuple[float, float]], *, time: int = 1) -> list[Row]:
    return [Row(time, 0.0, gain, [unit], []) for unit, gain in values]


def test_proposals_go_where_gains_are() -> None:
    known = rows([(u, 1.0 - 10 * (u - 0.7) ** 2) for u in np.linspace(0, 1, 25)])
    found = Model(known, intervals=10, most=None).propose(
        np.random.default_rng(0), time=2, before=0.0, centre=[0.2], options=[]
    )
    assert abs(found.units[0] - 0.7) < 0.15
    assert found.mean > 0.5


def test_old_gains_are_forgotten() -> None:
    old = [row for t in (1, 2) for row in rows([(u, -3 * abs(u - 0.1)) for u in np.linspace(0, 1, 12)], time=t)]
    new = [row for t in (19, 20) for row in rows([(u, -3 * abs(u - 0.9)) for u in np.linspace(0, 1, 12)], time=t)]
    model = Model([*old, *new], intervals=20, most=None)
    found = model.propose(np.random.default_rng(0), time=21, before=0.0, centre=[0.5], options=[])
    assert found.units[0] > 0.7


def test_proposals_of_one_round_keep_apart() -> None:
    known = rows([(0.1, 0.0), (0.9, 0.0), (0.11, 0.1), (0.89, 0.1)])
    for pending in ("zero", "mean"):
        model = Model(known, intervals=10, most=None, pending=pending)
        made = [
            model.propose(np.random.default_rng(i), time=2, before=0.0, centre=[0.5], options=[]).units[0] for i in range(4)
        ]
        assert max(made) - min(made) > 0.1, made


def test_a_trust_region_holds() -> None:
    known = rows([(u, u) for u in np.linspace(0, 1, 20)])
    model = Model(known, intervals=10, most=100, rough=True, pending="mean")
    found = model.propose(np.random.default_rng(0), time=2, before=0.0, centre=[0.3], options=[], radius=0.2)
    assert 0.1 - 1e-9 <= found.units[0] <= 0.5 + 1e-9
    assert found.units[0] > 0.4  # as far up as it may


# The bandit.


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1)), max_size=200))
def test_weights_stay_finite_and_every_option_has_a_chance(rewards: list[tuple[int, float]]) -> None:
    weights = [1.0, 1.0, 1.0]
    for option, reward in rewards:
        weights = rewarded(weights, option, reward)
    assert math.fsum(chances(weights)) == pytest.approx(1.0)
    assert min(chances(weights)) >= 0.3 / 3 - 1e-9


def test_the_bandit_learns_and_forgets() -> None:
    weights = [1.0, 1.0]
    for _ in range(60):
        weights = rewarded(rewarded(weights, 0, 1.0), 1, 0.0)
    assert chances(weights)[0] > 0.6
    for _ in range(60):
        weights = rewarded(rewarded(weights, 0, 0.0), 1, 1.0)
    assert chances(weights)[1] > 0.6


# As algorithms.


@pytest.mark.parametrize("algorithm", [PB2(), BGPBT(quantile=0.25)], ids=["pb2", "bg-pbt"])
def test_chance_proposes_first_and_the_model_later_and_each_says_so(algorithm: Any) -> None:
    _, decided = play(algorithm, peak, intervals=8)
    said = [d.because for decisions in decided for d in decisions if isinstance(d, Replace)]
    assert "random (0 rows)" in said[0]
    assert "model (gain" in said[-1]
    kinds = ["model" in text for text in said]
    assert kinds == sorted(kinds), "the model does not stop to propose"


@pytest.mark.parametrize("algorithm", [PB2(), BGPBT(quantile=0.25)], ids=["pb2", "bg-pbt"])
def test_the_model_finds_what_is_good(algorithm: Any) -> None:
    ends = []
    for seed in range(3):
        states, _ = play(algorithm, peak, intervals=24, seed=seed)
        memory = states[-1].memory if isinstance(states[-1], BGPBTState) else states[-1]
        ends.append(np.mean([row.gain for row in memory.rows[-16:]]))
    assert np.mean(ends) > 0.75  # 1.3 is the most, a draw from the space has about 0.3


def test_a_space_of_unordered_choices_alone_needs_no_process() -> None:
    _, decided = play(PB2(), lambda h, t: float(h["act"] == "gelu"), space={"act": SPACE["act"]}, intervals=6)
    assert any(isinstance(d, Replace) for decisions in decided for d in decisions)


def test_bg_pbt_goes_back_to_the_best_state_there_ever_was() -> None:
    def falling(hparams: Any, interval: int) -> float:
        return 1.0 if interval <= 3 else -1.0 - hparams["drop"]

    states, decided = play(BGPBT(quantile=0.25), falling, intervals=9)
    late = [d for decisions in decided[4:] for d in decisions if isinstance(d, Replace)]
    assert late
    assert {d.donor_interval for d in late} == {3}
    for state in states[4:]:
        assert list(BGPBT().keeps(state)) == [state.best]


def test_the_trust_region_grows_with_success_and_shrinks_without() -> None:
    rising, _ = play(BGPBT(), lambda h, t: 1.0 + h["lr"], intervals=7)
    assert [round(s.length, 3) for s in rising[1:]] == [0.4, 0.4, 0.6, 0.6, 0.6, 0.9, 0.9]
    falling, _ = play(BGPBT(), lambda h, t: -1.0 - h["lr"], intervals=35)
    lengths = [round(s.length, 3) for s in falling[1:]]
    assert lengths[11] == round(0.4 / 1.5, 3)
    assert lengths[21] == round(0.4 / 1.5**2, 3)
    assert lengths[31] == 0.4
    assert len(falling[32].memory.rows) <= 4, "a new region forgets"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PB2(quantile=0.6), "quantile"),
        (lambda: PB2(least_rows=1), "least_rows"),
        (lambda: PB2(explore=None), "explore"),  # type: ignore[arg-type]
        (lambda: PB2(ready_interval=0), "ready_interval"),
        (lambda: BGPBT(quantile=0), "quantile"),
        (lambda: PB2().init(context_of(SPACE, 1)), "population must be at least 2"),
    ],
)
def test_options_that_make_no_sense(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("algorithm", [PB2(least_rows=6), BGPBT(quantile=0.25, least_rows=6)], ids=["pb2", "bg-pbt"])
def test_as_a_study_that_is_interrupted(algorithm: Any, tmp_path: Path) -> None:
    whole = study_run(tmp_path / "whole", algorithm=algorithm, intervals=7)
    study_run(tmp_path / "parts", algorithm=algorithm, intervals=7, max_seconds=1e-6)
    parts = study_run(tmp_path / "parts", algorithm=algorithm, intervals=7, max_seconds=1e6)
    assert parts.digest() == whole.digest()
    assert any("model" in event.because for _, event in whole.happenings(Replaced))
    assert history(tmp_path / "whole")


def test_nothing_is_proposed_after_the_end() -> None:
    _, decided = play(PB2(), peak, intervals=6)
    assert all(isinstance(d, Continue) for d in decided[-1])


def test_whole_numbers_and_constants(tmp_path: Path) -> None:
    space = {"k": Int(1, 9), "lr": SPACE["lr"], "fixed": 3}
    states, decided = play(PB2(), lambda h, t: h["k"] / 9 - abs(math.log10(h["lr"]) + 2), space=space, intervals=12)
    assert isinstance(states[-1], Memory)
    for decisions in decided:
        for d in decisions:
            if isinstance(d, Replace):
                Space(space).validate(d.hparams)
                assert d.hparams["fixed"] == 3
