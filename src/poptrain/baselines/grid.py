"""Grid search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from poptrain.baselines.turns import Turns, length_of, take_turns
from poptrain.core.decisions import Decision
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.space import Choice, Constant, Parameter, Space
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.random_search import check_length

__all__ = ["GridSearch"]


@dataclass(frozen=True)
class GridSearch(Algorithm[Turns]):
    """Trains every combination of some values of each hyperparameter, each from a fresh network.

    A number gets `points` values, evenly from its lower to its upper bound (logarithmically where its domain is); a choice gets
    all of its options. A grid larger than the population is worked through in turns: a member whose configuration has had its
    turn, or failed, begins the next one. The last hyperparameter of the space changes fastest. A budget larger than the grid
    begins it again, with other initial weights.

    Args:
        points: values of each number, >= 1; a single one lies in the middle.
        values: instead of these, a list of values by name.
        length: intervals that a configuration is trained, >= 1; None for as many as all of them can have.

    Example:
        >>> from poptrain.space import Float
        >>> GridSearch(points=3).size(Space({"lr": Float(0.01, 1.0, log=True), "drop": Float(0.0, 0.5)}))
        9
    """

    points: int = 3
    values: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    length: int | None = None
    state_type: ClassVar[type[Any]] = Turns

    def __post_init__(self) -> None:
        if isinstance(self.points, bool) or not isinstance(self.points, int) or self.points < 1:
            raise ConfigError(f"points must be a whole number of at least 1, got {self.points!r}: 3 is usual")
        for name, listed in self.values.items():
            if isinstance(listed, (str, bytes)) or not isinstance(listed, Sequence) or not listed:
                raise ConfigError(f"values of {name!r} must be a list with at least one value, got {listed!r}")
        object.__setattr__(self, "values", {name: tuple(listed) for name, listed in self.values.items()})
        check_length(self.length)

    def axes(self, space: Space) -> dict[str, tuple[Value, ...]]:
        """Return the values that the grid has of each hyperparameter, constants included.

        Raises:
            SpaceError: a listed name is not in the space.
            ConfigError: a listed value lies outside of its domain, or twice in its list.
        """
        space.check_names(self.values)
        return {name: self._axis(name, domain) for name, domain in space.items()}

    def size(self, space: Space) -> int:
        """Return the number of configurations."""
        return math.prod(len(axis) for axis in self.axes(space).values())

    def init(self, context: Context) -> tuple[Turns, tuple[Hparams, ...]]:
        """Return the first configurations.

        Raises:
            BudgetError: the study cannot hold the grid.
        """
        axes = self.axes(context.space)
        self._length(context, axes)
        return Turns.first(context.population), tuple(_configuration(axes, number) for number in range(context.population))

    def tell(self, context: Context, state: Turns, reports: Sequence[Report]) -> tuple[Turns, tuple[Decision, ...]]:
        """Let everybody continue whose turn is not over, and begin the grid's next configuration in the others' place."""
        axes = self.axes(context.space)
        length = self._length(context, axes)

        def hparams_of(number: int, trained: int) -> Hparams:
            return _configuration(axes, number)

        count = math.prod(map(len, axes.values()))
        return take_turns(context, state, reports, count=count, length=length, hparams_of=hparams_of)

    def _length(self, context: Context, axes: Mapping[str, Sequence[Value]]) -> int:
        count = math.prod(map(len, axes.values()))
        return length_of(context, count, self.length, what=f"the grid ({' x '.join(str(len(a)) for a in axes.values())})")

    def _axis(self, name: str, domain: Parameter) -> tuple[Value, ...]:
        if name in self.values:
            return _listed(name, domain, self.values[name])
        if isinstance(domain, Constant):
            return (domain.value,)
        if isinstance(domain, Choice):
            return tuple(domain.options)
        units = [0.5] if self.points == 1 else [i / (self.points - 1) for i in range(self.points)]
        return tuple(dict.fromkeys(domain.from_unit(unit) for unit in units))  # a short range of whole numbers has fewer


def _listed(name: str, domain: Parameter, values: Sequence[Value]) -> tuple[Value, ...]:
    for value in values:
        if not domain.contains(value):
            raise ConfigError(f"a grid's values of {name!r} must be {domain.describe()}, got {value!r}")
    found = tuple(domain.clip(value) for value in values)  # inside already: 1 becomes 1.0 in a Float
    places = [domain.to_unit(value) for value in found]
    if len(set(places)) < len(places):
        raise ConfigError(f"a grid's values of {name!r} must differ, got {list(values)!r}: remove what is there twice")
    return found


def _configuration(axes: Mapping[str, Sequence[Value]], number: int) -> Hparams:
    """Return a configuration by its number, the last name changing fastest; numbers beyond the grid begin it again."""
    found: dict[str, Value] = {}
    for name in reversed(list(axes)):
        number, place = divmod(number, len(axes[name]))
        found[name] = axes[name][place]
    return {name: found[name] for name in axes}
