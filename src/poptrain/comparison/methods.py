"""What can be compared, by name: each method made for one target, population and budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from poptrain.baselines import BayesianSearch, GridSearch, Manual
from poptrain.baselines.by_name import ALGORITHMS
from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value
from poptrain.space import Choice, Space
from poptrain.space.base import Parameter
from poptrain.strategies import PBT, Algorithm, Restarts

__all__ = ["METHODS", "Method", "Setting", "algorithms_of", "as_configuration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What methods are made for.

    Args:
        space: the search space.
        population, intervals: of every study.
        suggested: the target's own algorithm; None for PBT with its defaults.
        manual: configurations, or schedules, by hand.
    """

    space: Space
    population: int
    intervals: int
    suggested: Algorithm[Any] | None = None
    manual: Sequence[Any] = ()

    @property
    def pbt(self) -> PBT:
        """The target's own PBT."""
        return self.suggested if isinstance(self.suggested, PBT) else PBT()


@dataclass(frozen=True, slots=True)
class Method:
    """A way to choose hyperparameters: its name in words, and how it is made."""

    label: str
    make: Callable[[Setting], Algorithm[Any]]


def _plain(name: str) -> Callable[[Setting], Algorithm[Any]]:
    def make(setting: Setting) -> Algorithm[Any]:
        made: Algorithm[Any] = ALGORITHMS[name]()
        return made

    return make


def _grid(setting: Setting) -> GridSearch:
    """Return the finest grid of which every configuration can have a member for the whole study.

    Hyperparameters get one further value after another in the order of the space, again and again, as long as the grid has
    room. k values of a number divide its range into k + 1 equal parts; one value is the middle. A choice has its middle option
    or all of them.
    """
    counts = dict.fromkeys(setting.space.movable, 1)
    growing = list(counts)
    while growing:
        for name in tuple(growing):
            further = {**counts, name: _next_count(setting.space[name], counts[name])}
            size = math.prod(len(_grid_values(setting.space[key], count)) for key, count in further.items())
            if size > setting.population or len(_grid_values(setting.space[name], further[name])) <= counts[name]:
                growing.remove(name)
            else:
                counts = further
    return GridSearch(values={name: _grid_values(setting.space[name], count) for name, count in counts.items()})


def _next_count(domain: Parameter, count: int) -> int:
    return len(domain.options) if isinstance(domain, Choice) else count + 1


def _grid_values(domain: Parameter, count: int) -> tuple[Value, ...]:
    if isinstance(domain, Choice) and count > 1:
        return tuple(domain.options)
    return tuple(dict.fromkeys(domain.from_unit((i + 1) / (count + 1)) for i in range(count)))


def _manual(setting: Setting) -> Manual:
    if not setting.manual:
        raise ConfigError(
            "the method 'manual' needs at least one configuration by hand, as in --manual lr=0.01,dropout=0.2: "
            "add one, or leave the method out"
        )
    return Manual(tuple(setting.manual))


METHODS: Mapping[str, Method] = {
    "pbt": Method("PBT", lambda setting: setting.pbt),
    "pbt-no-explore": Method("PBT without explore", lambda setting: replace(setting.pbt, explore=None)),
    "pbt-no-exploit": Method("PBT without exploit", lambda setting: replace(setting.pbt, exploit=None)),
    "pbt-weights": Method("PBT copying weights only", lambda setting: replace(setting.pbt, copy="weights")),
    "pbt-hyperparameters": Method(
        "PBT copying hyperparameters only", lambda setting: replace(setting.pbt, copy="hyperparameters")
    ),
    "pb2": Method("PB2", _plain("pb2")),
    "bg-pbt": Method("BG-PBT", _plain("bg-pbt")),
    "mf-pbt": Method("MF-PBT", _plain("mf-pbt")),
    "fire-pbt": Method("FIRE-PBT", _plain("fire-pbt")),
    "restarts": Method("PBT with restarts", lambda setting: Restarts(inner=setting.pbt)),
    "pairwise": Method("pairwise learning", _plain("pairwise")),
    "swarm": Method("particle swarm", _plain("swarm")),
    "random": Method("random search", _plain("random")),
    "grid": Method("grid search", _grid),
    "manual": Method("manual tuning", _manual),
    "bayesian": Method("Bayesian optimisation (TPE)", _plain("bayesian")),
    "bayesian-gp": Method("Bayesian optimisation (GP)", lambda setting: BayesianSearch(sampler="gp")),
    "halving": Method("successive halving", _plain("halving")),
    "asha": Method("ASHA", _plain("asha")),
}
"""Methods by name; whatever has no options of its own is as it is by default."""


def algorithms_of(names: Sequence[str], setting: Setting) -> dict[str, Algorithm[Any]]:
    """Return the methods of some names, ready for a study.

    Raises:
        ConfigError: a name is unknown or there twice, there is only one, or a method does not fit.
    """
    for name in names:
        if name not in METHODS:
            near = get_close_matches(name, METHODS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(METHODS)}"
            raise ConfigError(f"there is no method {name!r}: {hint}")
    if len(set(names)) < max(2, len(names)):
        raise ConfigError(f"a comparison needs at least two methods, each once, got {', '.join(names) or 'none'}")
    return {name: METHODS[name].make(setting) for name in names}


def as_configuration(text: str, space: Space) -> Hparams:
    """Return the hyperparameters in a text such as `lr=0.01,batch_size=32`; every one of the space must be there.

    Raises:
        ConfigError: a value is missing, unknown, or outside of its domain.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"a configuration by hand is NAME=VALUE,NAME=VALUE, got {text!r}")
        found[name.strip()] = _value(value.strip())
    return space.validate(found)


def _value(text: str) -> Any:
    """Return a number, true, false, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
