"""Algorithms in words."""

from __future__ import annotations

from typing import Any

import pytest

import poptrain as pt
from poptrain.baselines.by_name import ALGORITHMS
from poptrain.cli.policies import algorithm_of
from poptrain.cli.run import AlgorithmName
from poptrain.core.errors import ConfigError
from poptrain.strategies import (
    MFPBT,
    PBT,
    Algorithm,
    FirePBT,
    Pairwise,
    RandomSearch,
    Restarts,
    Swarm,
    exploit,
    explore,
)


def made(suggested: Algorithm[Any] | None = None, **asked: Any) -> Algorithm[Any] | None:
    options: dict[str, Any] = {"algorithm": None, "exploit": None, "explore": None, "ready_interval": None}
    return algorithm_of(suggested, **{**options, **asked})


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("truncation", exploit.truncation()),
        ("truncation:0.4", exploit.truncation(0.4)),
        ("t-test", exploit.t_test()),
        ("t-test:0.01", exploit.t_test(p=0.01)),
        ("tournament", exploit.tournament()),
        ("dead-band:0.5,0.1", exploit.dead_band(0.5, 0.1)),
        ("none", None),
    ],
)
def test_exploits(text: str, policy: object) -> None:
    assert made(exploit=text) == PBT(exploit=policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("perturb", explore.perturb()),
        ("perturb:0.5,2", explore.perturb((0.5, 2.0))),
        ("resample:0.1", explore.resample(0.1)),
        ("additive:0.2", explore.additive(0.2)),
        ("resample:0.1+perturb:0.5,2", explore.chain(explore.resample(0.1), explore.perturb((0.5, 2.0)))),
        ("none", None),
    ],
)
def test_explores(text: str, policy: object) -> None:
    assert made(explore=text) == PBT(explore=policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("mf-pbt", MFPBT()),
        ("fire-pbt", FirePBT()),
        ("restarts", Restarts()),
        ("pairwise", Pairwise()),
        ("swarm", Swarm()),
    ],
)
def test_algorithms(name: str, algorithm: Algorithm[Any]) -> None:
    assert made(algorithm=name) == algorithm


def test_the_command_line_offers_every_algorithm() -> None:
    assert {str(name) for name in AlgorithmName} == set(ALGORITHMS)


def test_options_of_other_algorithms() -> None:
    assert made(algorithm="mf-pbt", explore="perturb:0.5,2") == MFPBT(explore=explore.perturb((0.5, 2.0)))
    assert made(MFPBT(periods=(1, 2)), explore="perturb") == MFPBT(periods=(1, 2), explore=explore.perturb())
    assert made(algorithm="swarm", ready_interval=3) == Swarm(ready_interval=3)
    assert made(algorithm="restarts", exploit="tournament") == Restarts(inner=PBT(exploit=exploit.tournament()))
    assert made(PBT(burn_in=3), algorithm="restarts") == Restarts(inner=PBT(burn_in=3))


def test_nothing_asked_leaves_the_suggestion() -> None:
    mine = PBT(exploit=exploit.tournament(), burn_in=3)
    assert made(mine) is mine
    assert made(None) is None
    assert made(mine, explore="perturb") == PBT(exploit=exploit.tournament(), explore=explore.perturb(), burn_in=3)
    assert made(mine, ready_interval=5) == PBT(exploit=exploit.tournament(), burn_in=3, ready_interval=5)


def test_random_search_replaces_and_is_replaced() -> None:
    started = RandomSearch(initial=({"lr": 1.0},))
    assert made(PBT(), algorithm="random") == RandomSearch()
    assert made(started) is started
    assert made(started, algorithm="random") is started
    assert made(started, algorithm="pbt") == PBT()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"exploit": "truncaton"}, "no exploit 'truncaton': did you mean 'truncation'?"),
        ({"exploit": "x"}, "choose among truncation, t-test, dead-band, tournament, none"),
        ({"exploit": "truncation:a"}, "takes numbers behind the colon, got 'a'"),
        ({"exploit": "truncation:0.9"}, "at most 0.5"),
        ({"exploit": "truncation:0.1,0.2,0.3"}, "takes at most 2 number"),
        ({"exploit": "truncation:0.3,0.2"}, "bottom must be at least"),
        ({"exploit": "tournament:2"}, "takes no numbers"),
        ({"explore": "pertub:2"}, "no explore 'pertub': did you mean 'perturb'?"),
        ({"explore": "none+perturb"}, "stands alone"),
        ({"explore": "perturb+"}, "no explore ''"),
        ({"algorithm": "rnadom"}, "no algorithm 'rnadom': did you mean 'random'?"),
        ({"algorithm": "random", "exploit": "tournament"}, "exploit belongs to algorithm=pbt"),
        ({"algorithm": "fire-pbt", "exploit": "tournament"}, "fire-pbt has no such option"),
    ],
)
def test_mistakes_are_named(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(**asked)
    assert message in str(refused.value)


def test_a_population_begins_where_a_search_ended(poptrain: Any) -> None:
    small = ("-x", "inline", "-i", 4, "-p", 6)
    assert poptrain("run", "toy-plain", "-a", "random", "-d", "runs/search", *small).status == 0
    done = poptrain("run", "toy-plain", "--initial", "runs/search", "--control", 1, "-d", "runs/pbt", *small)
    assert done.status == 0, done.err
    search, study = pt.Study.open("runs/search"), pt.Study.open("runs/pbt")
    best = search.top(3)
    assert len(best) == 3
    assert best[0] == search.best.hparams
    scores = {str(h): max(r.score or 0.0 for r in search.reports() if r.hparams == h) for h in best}
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert [study.reports(m)[0].hparams for m in range(3)] == best
    assert study.config.algorithm["control"] == 1
    again = poptrain("run", "toy-plain", "-a", "grid", "--initial", "runs/search", "-d", "runs/grid", *small)
    assert again.status == 2
    assert "grid has no such option" in again.said
