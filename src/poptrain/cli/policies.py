"""Algorithms in words: `--algorithm`, `--exploit truncation:0.25`, `--explore resample:0.1+perturb:0.5,2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from poptrain.baselines import ASHA, BayesianSearch, GridSearch, SuccessiveHalving
from poptrain.core.errors import ConfigError
from poptrain.strategies import PBT, Algorithm, RandomSearch, exploit, explore

__all__ = ["ALGORITHMS", "EXPLOITS", "EXPLORES", "algorithm_of"]

SEARCHES: Mapping[str, Callable[[], Algorithm[Any]]] = {
    "random": RandomSearch,
    "grid": GridSearch,
    "bayesian": BayesianSearch,
    "halving": SuccessiveHalving,
    "asha": ASHA,
}
"""Ways to choose configurations that never copy a member."""

ALGORITHMS = ("pbt", *SEARCHES)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A policy by name: how it is made from numbers, and how many it takes at most."""

    make: Callable[..., Any]
    most: int
    numbers: str = ""


EXPLOITS: Mapping[str, _Choice] = {
    "truncation": _Choice(exploit.truncation, 1, "quantile"),
    "t-test": _Choice(lambda p=0.05: exploit.t_test(p=p), 1, "p"),
    "tournament": _Choice(exploit.tournament, 0),
    "none": _Choice(lambda: None, 0),
}
EXPLORES: Mapping[str, _Choice] = {
    "perturb": _Choice(lambda *factors: explore.perturb(factors or (0.8, 1.2)), 8, "factors"),
    "resample": _Choice(explore.resample, 1, "probability"),
    "additive": _Choice(explore.additive, 1, "sd"),
    "none": _Choice(lambda: None, 0),
}


def algorithm_of(
    suggested: Algorithm[Any] | None,
    *,
    algorithm: str | None,
    exploit: str | None,
    explore: str | None,
    ready_interval: int | None,
) -> Algorithm[Any] | None:
    """Return the algorithm that options ask for; the suggested one where they ask for nothing.

    Args:
        suggested: the target's own; options change it where it is PBT.
        algorithm: "pbt" or one of the searches; None for the suggested one.
        exploit, explore: as on the command line; None for what the algorithm has.
        ready_interval: see `PBT`; None for what the algorithm has.

    Raises:
        ConfigError: a name or a number is wrong, or a search is asked to exploit.
    """
    changes: dict[str, Any] = {}
    if exploit is not None:
        changes["exploit"] = _policy("exploit", exploit, EXPLOITS)
    if explore is not None:
        parts = [_policy("explore", part, EXPLORES) for part in explore.split("+")]
        changes["explore"] = parts[0] if len(parts) == 1 else _chain(parts, explore)
    if ready_interval is not None:
        changes["ready_interval"] = ready_interval
    if algorithm is not None:
        _known("algorithm", algorithm, ALGORITHMS)
    if algorithm is None and suggested is not None and not isinstance(suggested, PBT):
        algorithm = next((name for name, kind in SEARCHES.items() if isinstance(suggested, kind)), None)  # type: ignore[arg-type]
    if algorithm is not None and algorithm in SEARCHES:
        if changes:
            raise ConfigError(f"{', '.join(changes)} belongs to algorithm=pbt, {algorithm} search never copies: leave it out")
        kind = SEARCHES[algorithm]
        return suggested if isinstance(suggested, kind) else kind()  # type: ignore[arg-type]
    base = suggested if isinstance(suggested, PBT) else PBT()
    return replace(base, **changes) if changes or algorithm is not None else suggested


def _policy(what: str, text: str, choices: Mapping[str, _Choice]) -> Any:
    name, colon, rest = text.strip().partition(":")
    choice = choices[_known(what, name, choices)]
    try:
        numbers = [float(part) for part in rest.split(",")] if colon else []
    except ValueError:
        raise ConfigError(f"{what} {name!r} takes numbers behind the colon, got {rest!r}: write {name}:0.2") from None
    if len(numbers) > choice.most:
        takes = f"at most {choice.most} number(s) ({choice.numbers})" if choice.most else "no numbers"
        raise ConfigError(f"{what} {name!r} takes {takes}, got {rest!r}")
    return choice.make(*numbers)


def _chain(parts: list[Any], text: str) -> Any:
    if None in parts:
        raise ConfigError(f"explore 'none' stands alone, got {text!r}")
    return explore.chain(*parts)


def _known(what: str, name: str, choices: Any) -> str:
    if name in choices:
        return name
    near = get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(choices)}"
    raise ConfigError(f"there is no {what} {name!r}: {hint}")
