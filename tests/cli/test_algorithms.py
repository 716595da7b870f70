"""Algorithms in words."""

from __future__ import annotations

from typing import Any

import pytest

from poptrain.cli.policies import algorithm_of
from poptrain.core.errors import ConfigError
from poptrain.strategies import PBT, Algorithm, RandomSearch, exploit, explore


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
        ({"exploit": "x"}, "choose among truncation, t-test, tournament, none"),
        ({"exploit": "truncation:a"}, "takes numbers behind the colon, got 'a'"),
        ({"exploit": "truncation:0.9"}, "at most 0.5"),
        ({"exploit": "truncation:0.1,0.2"}, "takes at most 1 number"),
        ({"exploit": "tournament:2"}, "takes no numbers"),
        ({"explore": "pertub:2"}, "no explore 'pertub': did you mean 'perturb'?"),
        ({"explore": "none+perturb"}, "stands alone"),
        ({"explore": "perturb+"}, "no explore ''"),
        ({"algorithm": "rnadom"}, "no algorithm 'rnadom': did you mean 'random'?"),
        ({"algorithm": "random", "exploit": "tournament"}, "exploit belongs to algorithm=pbt"),
    ],
)
def test_mistakes_are_named(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(**asked)
    assert message in str(refused.value)
