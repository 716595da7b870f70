"""Configurations and schedules that somebody wrote down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from poptrain.baselines.turns import Turns, length_of, take_turns
from poptrain.core.decisions import Decision
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.space import Space
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.random_search import check_length
from poptrain.strategies.replay import Replay, Scheduled

__all__ = ["Manual"]

Points: TypeAlias = Sequence[tuple[int, Mapping[str, Value]]]
"""(interval of the configuration from which on, counted from 0; hyperparameters), in rising order, the first at 0."""


@dataclass(frozen=True)
class Manual(Algorithm[Turns]):
    """Trains the configurations it is given, each from a fresh network.

    A configuration is a mapping of hyperparameters that hold for its whole turn, or a schedule: a list of points. More
    configurations than members are worked through in turns; a budget larger than the list begins it again, with other initial
    weights.

    Args:
        configurations: at least one.
        length: intervals that a configuration is trained, >= 1; None for as many as all of them can have.

    Example:
        >>> constant, decayed = {"lr": 0.1}, ((0, {"lr": 0.1}), (30, {"lr": 0.01}))
        >>> len(Manual((constant, decayed)).configurations)
        2
    """

    configurations: tuple[Mapping[str, Value] | Points, ...]
    length: int | None = None
    state_type: ClassVar[type[Any]] = Turns

    def __post_init__(self) -> None:
        given = self.configurations
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence) or not given:
            raise ConfigError(f"configurations must be a list with at least one configuration, got {given!r}")
        check_length(self.length)
        object.__setattr__(self, "configurations", tuple(_kept(entry) for entry in given))

    @classmethod
    def of(cls, schedule: Scheduled, interval_steps: int) -> Manual:
        """Return the search whose only configuration is a study's schedule, in intervals of `interval_steps` steps.

        Raises:
            ConfigError: the schedule is empty, or changes inside of an interval.
        """
        return cls((Replay.of(schedule, interval_steps).points,))

    def init(self, context: Context) -> tuple[Turns, tuple[Hparams, ...]]:
        """Return the first configurations.

        Raises:
            SpaceError: a value lies outside of the space.
            ConfigError: a schedule changes what belongs to the weights.
            BudgetError: the study cannot hold all configurations.
        """
        plans = self._plans(context.space)
        for number, plan in enumerate(plans):
            self._check_structure(context.space, number, plan)
        self._length(context)
        starts = tuple(plans[member % len(plans)].at(0) for member in range(context.population))
        return Turns.first(context.population), starts

    def tell(self, context: Context, state: Turns, reports: Sequence[Report]) -> tuple[Turns, tuple[Decision, ...]]:
        """Let everybody go on under its schedule, and begin the next configuration in the place of those whose turn is over."""
        plans = self._plans(context.space)

        def hparams_of(number: int, trained: int) -> Hparams:
            return plans[number % len(plans)].at(trained)

        length = self._length(context)
        return take_turns(context, state, reports, count=len(plans), length=length, hparams_of=hparams_of)

    def _length(self, context: Context) -> int:
        return length_of(context, len(self.configurations), self.length, what="the list")

    def _plans(self, space: Space) -> tuple[Replay, ...]:
        return tuple(
            Replay(tuple((start, space.validate(hparams)) for start, hparams in _points(entry)))
            for entry in self.configurations
        )

    @staticmethod
    def _check_structure(space: Space, number: int, plan: Replay) -> None:
        for name in space.structural:
            found = [hparams[name] for _, hparams in plan.points]
            if any(value != found[0] for value in found):
                raise ConfigError(
                    f"{name!r} changes the shape of the state and must be the same throughout a schedule, got "
                    f"{found!r} in configuration {number}: give each value a configuration of its own"
                )


def _points(entry: Mapping[str, Value] | Points) -> Points:
    return ((0, entry),) if isinstance(entry, Mapping) else entry


def _kept(entry: Mapping[str, Value] | Points) -> Mapping[str, Value] | Points:
    """Return an entry as plain tuples and dicts."""
    if isinstance(entry, Mapping):
        return dict(entry)
    try:
        points = tuple((int(start), dict(hparams)) for start, hparams in entry)
    except (TypeError, ValueError):
        raise ConfigError(
            f"a configuration must be a mapping of hyperparameters, or a list of (interval, hyperparameters), got {entry!r}"
        ) from None
    return Replay(points).points
