"""Algorithms in words: `--algorithm`, `--exploit truncation:0.25`, `--explore resample:0.1+perturb:0.5,2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from poptrain.baselines.by_name import ALGORITHMS, SEARCHES
from poptrain.core.errors import ConfigError
from poptrain.strategies import PBT, Algorithm, Restarts, exploit, explore

__all__ = ["EXPLOITS", "EXPLORES", "algorithm_of"]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A policy by name: how it is made from numbers, and how many it takes at most."""

    make: Callable[..., Any]
    most: int
    numbers: str = ""


EXPLOITS: Mapping[str, _Choice] = {
    "truncation": _Choice(exploit.truncation, 2, "quantile, bottom"),
    "t-test": _Choice(lambda p=0.05: exploit.t_test(p=p), 1, "p"),
    "dead-band": _Choice(exploit.dead_band, 3, "deviations, margin, quantile"),
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
    control: int | None = None,
    objectives: Sequence[str] = (),
    initial: Sequence[Mapping[str, Any]] | None = None,
) -> Algorithm[Any] | None:
    """Return the algorithm that options ask for; the suggested one where they ask for nothing.

    Args:
        suggested: the target's own; options change it where it is of the kind asked for.
        algorithm: a name in `ALGORITHMS`; None for the suggested one.
        exploit, explore: as on the command line; None for what the algorithm has.
        ready_interval, control, initial: see `PBT`; None for what the algorithm has.
        objectives: NAME:max or NAME:min, for each objective.

    Raises:
        ConfigError: a name or a number is wrong, or the algorithm has no such option.
    """
    changes: dict[str, Any] = {}
    if exploit is not None:
        changes["exploit"] = _policy("exploit", exploit, EXPLOITS)
    if explore is not None:
        parts = [_policy("explore", part, EXPLORES) for part in explore.split("+")]
        changes["explore"] = parts[0] if len(parts) == 1 else _chain(parts, explore)
    if ready_interval is not None:
        changes["ready_interval"] = ready_interval
    if control is not None:
        changes["control"] = control
    if objectives:
        changes["objectives"] = _objectives(objectives)
    if initial is not None:
        changes["initial"] = tuple(initial)
    if not changes and algorithm is None:
        return suggested
    kind = _kind(suggested, algorithm)
    found: Algorithm[Any] = _changed(suggested if type(suggested) is kind else _fresh(kind, suggested), kind, changes)
    return found


def _objectives(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, _, mode = text.rpartition(":")
        if not name or mode not in ("max", "min"):
            raise ConfigError(f"an objective is NAME:max or NAME:min, got {text!r}")
        found[name] = mode
    return found


def _kind(suggested: Algorithm[Any] | None, algorithm: str | None) -> type[Any]:
    if algorithm is not None:
        return ALGORITHMS[_known("algorithm", algorithm, ALGORITHMS)]
    return PBT if suggested is None else type(suggested)


def _fresh(kind: type[Any], suggested: Algorithm[Any] | None) -> Any:
    """Return an algorithm with its own options; restarts take over the PBT that is suggested."""
    return Restarts(inner=suggested) if kind is Restarts and isinstance(suggested, PBT) else kind()


def _changed(base: Any, kind: type[Any], changes: Mapping[str, Any]) -> Any:
    """Return an algorithm with other options; those of restarts are the ones of the PBT inside."""
    if kind is Restarts and changes:
        return replace(base, inner=replace(base.inner, **changes))
    missing = sorted(set(changes) - {field.name for field in fields(kind)})
    if missing:
        name = next((name for name, other in ALGORITHMS.items() if other is kind), kind.__name__)
        never = kind in SEARCHES and missing != ["initial"]
        why = f"{name} search never copies" if never else f"{name} has no such option"
        raise ConfigError(f"{', '.join(missing)} belongs to algorithm=pbt, {why}: leave it out")
    return replace(base, **changes) if changes else base


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
