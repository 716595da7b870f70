"""PBT in synchronous rounds."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from populations import context_of, round_of

from poptrain.core.decisions import Continue, Decision, Replace, Stop
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.space import Choice, Float, Int, Space
from poptrain.strategies import PBT, Context, exploit, explore, recipes
from poptrain.strategies.codec import policy_from_json, policy_to_json
from poptrain.strategies.pbt import PBTState

SPACE = {
    "lr": Float(1e-4, 1.0, log=True),
    "drop": Float(0.0, 0.5),
    "layers": Int(1, 8),
    "act": Choice(["relu", "gelu"]),
}
NAN = math.nan


def begin(algorithm: PBT, population: int, space: Any = SPACE, **options: Any) -> tuple[Context, PBTState, tuple[Hparams, ...]]:
    context = context_of(space, population, **options)
    state, starts = algorithm.init(context)
    return context, state, starts


def decide(
    algorithm: PBT, fitness: list[float], *, interval: int = 1, space: Any = SPACE, **options: Any
) -> tuple[PBTState, tuple[Decision, ...]]:
    """Return what the first round that is told decides."""
    context, state, starts = begin(algorithm, len(fitness), space, **options)
    return algorithm.tell(context, state, round_of(interval, fitness, starts))


def replaced(decisions: tuple[Decision, ...]) -> dict[int, Replace]:
    return {d.member: d for d in decisions if isinstance(d, Replace)}


# Who copies whom.


def test_the_bottom_copies_the_top() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.2))
    _, decisions = decide(algorithm, [float(i) for i in range(10)])
    assert [d.member for d in decisions if not isinstance(d, Stop)] == list(range(10))
    found = replaced(decisions)
    assert set(found) == {0, 1}
    assert all(d.donor in (8, 9) and d.donor_interval == 1 and d.weights for d in found.values())


def test_a_copy_explores_from_its_donors_hyperparameters_and_says_so() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), explore=explore.perturb((1.2,)), initial=({"lr": 0.5}, {"lr": 0.01}))
    space = {"lr": SPACE["lr"]}
    _, decisions = decide(algorithm, [0.31, 0.92], space=space)
    copied = replaced(decisions)[0]
    assert copied.hparams == {"lr": 0.012}
    assert copied.because == (
        "fitness 0.31 ranks 2 of 2, in the bottom 50%: copies member 1 (0.92, ranks 1); lr 0.01 -> 0.012 (x1.2)"
    )
    assert decisions[1] == Continue(1, "fitness 0.92 ranks 1 of 2: goes on as it is")


def test_without_explore_a_copy_is_exact() -> None:
    context, state, starts = begin(PBT(exploit=exploit.truncation(0.5), explore=None), 2)
    _, decisions = PBT(exploit=exploit.truncation(0.5), explore=None).tell(context, state, round_of(1, [0.0, 1.0], starts))
    assert replaced(decisions)[0].hparams == starts[1]


def test_without_exploit_nobody_is_replaced_not_even_the_failed() -> None:
    _, decisions = decide(PBT(exploit=None), [0.0, NAN, 1.0])
    assert not replaced(decisions)
    _, alone = decide(PBT(exploit=None), [0.0])
    assert isinstance(alone[0], Continue)


def test_equal_members_are_not_for_ever_in_the_same_order() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5))
    context, state, starts = begin(algorithm, 2)
    losers = set()
    for interval in range(1, 25):
        state, decisions = algorithm.tell(context, state, round_of(interval, [1.0, 1.0], starts))
        assert len(replaced(decisions)) == 1, "with equal scores nobody copies: the toy of figure 2 would stand still"
        losers |= set(replaced(decisions))
    assert losers == {0, 1}


def test_the_seed_and_nothing_else_decides() -> None:
    fitness = np.random.default_rng(0).random(40).tolist()
    one, two = (decide(PBT(), fitness, seed=3)[1] for _ in range(2))
    assert one == two
    assert decide(PBT(), fitness, seed=4)[1] != one


def test_decisions_do_not_depend_on_the_order_of_the_reports() -> None:
    algorithm = PBT(exploit=exploit.tournament())
    context, state, starts = begin(algorithm, 12)
    reports = round_of(1, np.random.default_rng(0).random(12).tolist(), starts)
    _, there = algorithm.tell(context, state, reports)
    _, back = algorithm.tell(context, state, reports[::-1])
    assert there == back[::-1]


# Failures.


@pytest.mark.parametrize("failure", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("policy", [exploit.truncation(0.2), exploit.tournament(), exploit.t_test()])
def test_a_failed_member_is_replaced_whatever_the_strategy(failure: float, policy: exploit.Exploit) -> None:
    _, decisions = decide(PBT(exploit=policy), [1.0, failure, 2.0, failure, 3.0, failure])
    found = replaced(decisions)
    assert {1, 3, 5} <= set(found)
    assert all(d.donor in (0, 2, 4) and d.weights for d in found.values())
    assert found[1].because.startswith("failed: copies member")


def test_a_failed_member_does_not_wait_until_it_is_ready() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), ready_interval=10, burn_in=20, grace=50)
    context, state, starts = begin(algorithm, 4)
    for interval in (1, 2):
        state, decisions = algorithm.tell(context, state, round_of(interval, [0.0, NAN, 1.0, 2.0], starts))
        assert set(replaced(decisions)) == {1}


@pytest.mark.parametrize("copied", ["both", "weights", "hyperparameters"])
def test_a_failed_state_is_always_replaced(copied: Any) -> None:
    _, decisions = decide(PBT(exploit=exploit.truncation(0.5), copy=copied), [NAN, 1.0])
    assert replaced(decisions)[0].weights


def test_a_population_of_failures_stops_with_the_reason() -> None:
    _, decisions = decide(PBT(), [NAN, math.inf, NAN, -math.inf])
    assert decisions == (Stop("all 4 members failed; the last at interval 1"),)


def test_one_healthy_member_saves_all_others() -> None:
    _, decisions = decide(PBT(), [NAN, NAN, 0.5, NAN])
    assert {m: d.donor for m, d in replaced(decisions).items()} == {0: 2, 1: 2, 3: 2}


# When.


def test_after_the_last_interval_nobody_copies() -> None:
    _, decisions = decide(PBT(exploit=exploit.truncation(0.5)), [0.0, NAN, 2.0], interval=7, intervals=7)
    assert all(isinstance(d, Continue) and "last interval" in d.because for d in decisions)


def test_control_members_copy_nobody_and_may_be_copied() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), control=2)
    _, decisions = decide(algorithm, [3.0, 4.0, 1.0, 2.0])
    assert replaced(decisions) == {}  # the two worst are the control members
    assert "control member" in decisions[3].because
    _, decisions = decide(algorithm, [1.0, 2.0, 3.0, 4.0])
    assert {d.donor for d in replaced(decisions).values()} <= {2, 3}
    assert set(replaced(decisions)) == {0, 1}


def test_a_control_member_that_failed_is_replaced() -> None:
    _, decisions = decide(PBT(exploit=exploit.truncation(0.5), control=1), [3.0, 4.0, 1.0, NAN])
    assert 3 in replaced(decisions)


def test_ready_and_burn_in() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), ready_interval=3, burn_in=4)
    context, state, starts = begin(algorithm, 2, intervals=20)
    copies = []
    for interval in range(1, 14):
        state, decisions = algorithm.tell(context, state, round_of(interval, [0.0, 1.0], starts))
        copies += [interval] * len(replaced(decisions))
    assert copies == [6, 9, 12]


def test_grace_spares_a_new_copy() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), grace=2)
    context, state, starts = begin(algorithm, 2, intervals=20)
    copies, reasons = [], []
    for interval in range(1, 10):
        state, decisions = algorithm.tell(context, state, round_of(interval, [0.0, 1.0], starts))
        copies += [interval] * len(replaced(decisions))
        reasons.append(getattr(decisions[0], "because", ""))
    assert copies == [1, 4, 7]
    assert "grace of 2" in reasons[1]


# What.

STRUCTURED = {"lr": Float(1e-4, 1.0, log=True), "width": Int(8, 64, structural=True)}


def test_copying_weights_only_keeps_ones_own_hyperparameters() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), copy="weights", explore=None)
    context, state, starts = begin(algorithm, 2)
    _, decisions = algorithm.tell(context, state, round_of(1, [0.0, 1.0], starts))
    copied = replaced(decisions)[0]
    assert copied.weights
    assert copied.hparams == starts[0] != starts[1]


def test_copying_hyperparameters_only_keeps_ones_own_structure() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5), copy="hyperparameters", explore=None)
    context, state, starts = begin(algorithm, 2, STRUCTURED)
    _, decisions = algorithm.tell(context, state, round_of(1, [0.0, 1.0], starts))
    copied = replaced(decisions)[0]
    assert not copied.weights
    assert copied.hparams == {"lr": starts[1]["lr"], "width": starts[0]["width"]}
    assert starts[0]["width"] != starts[1]["width"]


def test_structure_comes_with_the_weights() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.5))
    for seed in range(10):
        context, state, starts = begin(algorithm, 2, STRUCTURED, seed=seed)
        _, decisions = algorithm.tell(context, state, round_of(1, [0.0, 1.0], starts))
        assert replaced(decisions)[0].hparams["width"] == starts[1]["width"]


def test_weights_alone_cannot_be_copied_into_another_structure() -> None:
    with pytest.raises(ConfigError, match=r"structural hyperparameters width.*pass copy='both'"):
        begin(PBT(copy="weights"), 5, STRUCTURED)


# Histories.


def test_a_copy_takes_over_its_donors_evaluations() -> None:
    algorithm = PBT(exploit=exploit.t_test(window=4, p=0.05))
    context, state, starts = begin(algorithm, 2)
    rng = np.random.default_rng(0)
    for interval in range(1, 7):
        fitness = [rng.normal(0.0, 0.1), rng.normal(5.0, 0.1)]
        state, decisions = algorithm.tell(context, state, round_of(interval, fitness, starts))
        if replaced(decisions):
            break
    assert interval == 2, "two evaluations each tell these two apart"
    assert state.histories[0] == state.histories[1]
    assert state.fitness[0] == fitness[1]
    state, decisions = algorithm.tell(context, state, round_of(interval + 1, [5.02, 5.01], starts))
    assert not replaced(decisions), "its own evaluations from before the copy are those of other weights"


def test_histories_are_as_long_as_the_strategy_asks_for() -> None:
    algorithm = PBT(exploit=exploit.t_test(window=3, p=1e-12))
    context, state, starts = begin(algorithm, 2)
    for interval in range(1, 8):
        state, _ = algorithm.tell(context, state, round_of(interval, [float(interval), 2.0 * interval], starts))
    assert state.histories == [[5.0, 6.0, 7.0], [10.0, 12.0, 14.0]]


# Beginning.


def test_given_starts_come_first_and_the_others_are_drawn() -> None:
    given_: dict[str, Value] = {"lr": 0.5, "drop": 0.1, "layers": 2, "act": "gelu"}
    _, _, starts = begin(PBT(initial=(given_,)), 6)
    assert starts[0] == given_
    assert len({tuple(start.values()) for start in starts}) == 6
    space = Space(SPACE)
    assert all(space.validate(start) == start for start in starts)
    _, _, others = begin(PBT(), 6)
    assert starts[1:] == others[1:], "a member's draw does not depend on what is given for others"


def test_a_start_outside_of_the_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="'lr' must be a number in"):
        begin(PBT(initial=({"lr": 5.0, "drop": 0.1, "layers": 2, "act": "gelu"},)), 5)


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: begin(PBT(), 1), "population must be at least 2 for exploitation, got 1: pass population=2 or exploit=None"),
    (lambda: begin(PBT(), 2), "selects nobody of 2 members"),
    (lambda: begin(PBT(explore=explore.perturb((0.8, 1.2), {"drops": (1.0,)})), 5), "did you mean 'drop'"),
    (lambda: PBT(exploit=exploit.truncation), "truncation()"),  # type: ignore[arg-type]
    (lambda: PBT(explore="perturb"), "perturb()"),  # type: ignore[arg-type]
    (lambda: PBT(ready_interval=0), "ready_interval"),
    (lambda: PBT(burn_in=-1), "burn_in"),
    (lambda: PBT(control=-1), "control"),
    (lambda: PBT(grace=1.5), "grace"),  # type: ignore[arg-type]
    (lambda: PBT(max_lag=-1), "max_lag"),
    (lambda: PBT(copy="all"), "both, weights, hyperparameters"),  # type: ignore[arg-type]
    (lambda: PBT(compare="best"), "latest, equal_step"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "says"), BAD)
def test_errors_say_the_rule_and_the_remedy(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)


# What holds for every policy and every population.

policies = st.builds(
    PBT,
    exploit=st.sampled_from([exploit.truncation(0.2), exploit.truncation(0.5), exploit.tournament(), exploit.t_test(3, 0.4)]),
    explore=st.sampled_from(
        [
            None,
            explore.perturb(),
            explore.resample(),
            explore.additive(2.0),
            explore.chain(explore.resample(), explore.perturb()),
        ]
    ),
    ready_interval=st.integers(1, 3),
    burn_in=st.integers(0, 2),
    copy=st.sampled_from(["both", "weights", "hyperparameters"]),
    compare=st.sampled_from(["latest", "equal_step"]),
    max_lag=st.sampled_from([None, 0, 1]),
    grace=st.integers(0, 2),
)
scores = st.one_of(st.floats(-5, 5), st.sampled_from([NAN, math.inf, -math.inf, 0.0, 0.0, 1.0]))


@given(policies, st.integers(3, 12), st.data())
@settings(max_examples=150, deadline=None)
def test_rounds_keep_their_promises(algorithm: PBT, population: int, data: st.DataObject) -> None:
    context, state, starts = begin(algorithm, population, intervals=6, seed=data.draw(st.integers(0, 99)))
    hparams = [dict(start) for start in starts]
    for interval in range(1, 7):
        fitness = data.draw(st.lists(scores, min_size=population, max_size=population))
        reports = round_of(interval, fitness, hparams)
        before, told = copy.deepcopy(state), copy.deepcopy(reports)
        after, decisions = algorithm.tell(context, state, reports)
        assert state == before, "tell changed the state it was given"
        assert repr(reports) == repr(told), "tell changed the reports"
        assert algorithm.tell(context, state, reports) == (after, decisions), "tell is not a function of its arguments"
        back = msgspec.json.decode(msgspec.json.encode(after), type=PBTState)
        assert back == after, "the state does not survive JSON"
        healthy = [math.isfinite(f) for f in fitness]
        if not any(healthy):
            assert len(decisions) == 1
            assert isinstance(decisions[0], Stop)
            return
        check_round(decisions, healthy, interval)
        for m, decision in replaced(decisions).items():
            hparams[m] = dict(decision.hparams)
            assert context.space.validate(hparams[m]) == hparams[m]
        state = back


def check_round(decisions: tuple[Decision, ...], healthy: list[bool], interval: int) -> None:
    assert [getattr(d, "member", None) for d in decisions] == list(range(len(healthy)))
    found = replaced(decisions)
    assert all(healthy[d.donor] for d in found.values()), "a failed member donated"
    assert all(d.donor != m and d.donor_interval == interval for m, d in found.items())
    if interval == 6:
        assert not found
    else:
        assert all(healthy[m] or m in found for m in range(len(healthy))), "a failed member was left alone"
    assert not all(m in found for m in range(len(healthy))), "nobody is left of the old population"


@pytest.mark.parametrize("population", [3, 1000])
def test_all_sizes(population: int) -> None:
    fitness = np.random.default_rng(0).random(population)
    _, decisions = decide(PBT(), fitness.tolist())
    assert len(decisions) == population
    worst = set(np.argsort(fitness)[: round(0.2 * population)].tolist())
    assert set(replaced(decisions)) == worst


@pytest.mark.parametrize(
    "algorithm",
    [
        PBT(),
        PBT(exploit=None, explore=None),
        PBT(exploit=exploit.t_test(5, 0.1), explore=explore.perturb((0.5, 2.0), {"lr": (0.1, 10.0)}), max_lag=3),
        PBT(explore=explore.chain(explore.additive(0.2, units="natural"), explore.resample(0.1)), initial=({"lr": 0.1},)),
        recipes.translation_2017(),
        recipes.reinforcement_learning_2017(),
        recipes.gan_2017(),
    ],
    ids=repr,
)
def test_policies_survive_json(algorithm: PBT) -> None:
    data = msgspec.json.decode(msgspec.json.encode(policy_to_json(algorithm)))
    assert policy_from_json(data) == algorithm


def test_recipes_are_the_papers() -> None:
    gan = recipes.gan_2017()
    assert gan.exploit == exploit.truncation(0.2)
    assert gan.explore == explore.perturb((0.5, 2.0))
    assert recipes.translation_2017().exploit == exploit.t_test(10, 0.05)
    for recipe in (recipes.gan_2017(), recipes.translation_2017(), recipes.reinforcement_learning_2017()):
        _, decisions = decide(recipe, [0.1, 0.2, 0.3, NAN, 0.5])
        assert 3 in replaced(decisions)


# Several objectives, and confirmation.


def told(algorithm: PBT, metrics: list[dict[str, float | None]], *, interval: int = 1) -> dict[int, Replace]:
    context, state, starts = begin(algorithm, len(metrics))
    reports = [
        Report(m, interval, math.nan if one["accuracy"] is None else float(one["accuracy"]), starts[m], one)
        for m, one in enumerate(metrics)
    ]
    return replaced(algorithm.tell(context, state, reports)[1])


BOTH = {"accuracy": "max", "size": "min"}


def test_members_are_ranked_by_several_objectives() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.25), objectives=BOTH)  # type: ignore[arg-type]
    # m3 is dominated by everybody although its accuracy is not the lowest; m0 is small, m2 accurate
    found = told(
        algorithm,
        [
            {"accuracy": 0.1, "size": 1},
            {"accuracy": 0.5, "size": 5},
            {"accuracy": 0.9, "size": 9},
            {"accuracy": 0.1, "size": 9},
        ],
    )
    assert set(found) == {3}
    assert found[3].donor in (0, 2)


def test_a_member_without_a_finite_objective_failed() -> None:
    algorithm = PBT(exploit=exploit.truncation(0.34), objectives=BOTH)  # type: ignore[arg-type]
    found = told(algorithm, [{"accuracy": 0.9, "size": None}, {"accuracy": 0.5, "size": 5}, {"accuracy": 0.4, "size": 4}])
    assert set(found) >= {0}
    assert found[0].donor in (1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": {"accuracy": "up", "size": "min"}}, "'max' or 'min'"),
        ({"objectives": {"accuracy": "max"}}, "at least two"),
        ({"objectives": BOTH, "exploit": exploit.tournament()}, "by rank"),
        ({"objectives": BOTH, "confirm": 2}, "leave out"),
    ],
)
def test_objectives_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PBT(**options)


def test_an_objective_that_was_not_reported_is_named() -> None:
    with pytest.raises(ConfigError, match="'size' was not reported"):
        told(PBT(exploit=exploit.truncation(0.5), objectives=BOTH), [{"accuracy": 1.0}] * 2)  # type: ignore[arg-type]


def test_a_lucky_score_is_not_believed_before_it_is_confirmed() -> None:
    def donors(confirm: int) -> set[int]:
        algorithm = PBT(exploit=exploit.truncation(0.25), explore=None, confirm=confirm)
        context, state, starts = begin(algorithm, 4)
        state, _ = algorithm.tell(context, state, round_of(1, [5.0, 4.0, 3.0, 2.0], starts))
        _, decisions = algorithm.tell(context, state, round_of(2, [5.0, 4.0, 9.0, 1.0], starts))
        return {d.donor for d in replaced(decisions).values()}

    assert donors(1) == {2}  # m2 was lucky once
    assert donors(2) == {0}  # it is judged by 3.0, m0 by 5.0


def test_a_study_ranks_by_several_objectives_and_resumes(tmp_path: Any) -> None:
    from studies import SPACE as PACES
    from studies import climb

    import poptrain as pt

    options: dict[str, Any] = {
        "metric": "height",
        "population": 6,
        "interval_steps": 2,
        "executor": "inline",
        "preflight": False,
    }
    algorithm = PBT(exploit=exploit.truncation(0.34), objectives={"height": "max", "steps": "min"})
    whole = pt.tune(climb, PACES, intervals=5, algorithm=algorithm, directory=tmp_path / "whole", **options)
    pt.tune(climb, PACES, intervals=5, algorithm=algorithm, directory=tmp_path / "parts", max_seconds=1e-6, **options)
    parts = pt.tune(climb, PACES, intervals=5, algorithm=algorithm, directory=tmp_path / "parts", max_seconds=1e6, **options)
    assert whole.copies > 0
    assert parts.digest() == whole.digest()
