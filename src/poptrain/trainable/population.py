"""The population form: N members trained as one batched computation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poptrain.core.values import Hparams, Value

__all__ = [
    "Block",
    "Columns",
    "PopulationFactory",
    "PopulationInterval",
    "PopulationTrainable",
    "is_population_form",
]


@dataclass(frozen=True, slots=True)
class Block:
    """What the rows of a new block begin with.

    Args:
        seeds: the random state under which each row's first state is made; as many as there are rows, >= 1.
        structure: structural hyperparameters and constants, which all rows share.
    """

    seeds: tuple[int, ...]
    structure: Mapping[str, Value] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.seeds)


@dataclass(frozen=True, slots=True)
class PopulationInterval:
    """One interval of all rows of a block.

    Args:
        steps: steps to train, >= 1.
        starts: per row, the number of the first of these steps, counted over the member's life; shape (rows,).
        seeds: per row, the random state of the interval; shape (rows,).
    """

    steps: int
    starts: tuple[int, ...]
    seeds: tuple[int, ...]


class Columns(Mapping[str, NDArray[Any]]):
    """Hyperparameters of the rows: by name an array of shape (rows,), of floats, integers, or objects for other choices."""

    def __init__(self, rows: Sequence[Hparams]) -> None:
        self._columns = {name: _column([row[name] for row in rows]) for name in rows[0]}
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> NDArray[Any]:
        column = self._columns[name]
        self._read.add(name)
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def quietly(self, name: str) -> NDArray[Any]:
        """Return a column without noting that it was read."""
        return self._columns[name]

    def unread(self, names: frozenset[str]) -> set[str]:
        """Return those of `names` that nobody has read."""
        return set(names) - self._read


def _column(values: list[Value]) -> NDArray[Any]:
    kinds = {type(value) for value in values}
    if kinds <= {int}:
        return np.array(values, dtype=np.int64)
    if kinds <= {int, float}:
        return np.array(values, dtype=np.float64)
    if kinds <= {bool}:
        return np.array(values, dtype=np.bool_)
    return np.array(values, dtype=object)


class PopulationTrainable(ABC):
    """N members trained as one computation; every array has a leading axis of rows.

    A subclass is constructed with a `Block` as its only positional argument (`functools.partial` binds others). The order of
    calls, once per interval: `load_state_dict` and `copy` (for the rows that take over a state), `configure`, `step`,
    `evaluate`. `state_dict` may be called between intervals. What a row does must depend on its own state, hyperparameters,
    random states and step numbers only, neither on the other rows nor on their number.
    """

    @abstractmethod
    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        """Put hyperparameters into force: by name an array of shape (rows,); called before every interval."""

    @abstractmethod
    def step(self, interval: PopulationInterval) -> None:
        """Train all rows for an interval."""

    @abstractmethod
    def evaluate(self) -> Sequence[float] | NDArray[Any] | Mapping[str, Any]:
        """Return the scores, shape (rows,), or all metrics by name; must change nothing that training depends on."""

    @abstractmethod
    def copy(self, donors: Sequence[int], recipients: Sequence[int]) -> None:
        """Give each recipient row its donor row's state, all as they are before the first of these copies.

        Args:
            donors: rows that are copied from, one for each recipient; a donor may be a recipient too.
            recipients: rows, each at most once.
        """

    @abstractmethod
    def state_dict(self, row: int) -> Any:
        """Return everything that a row's next step depends on; it may share memory with the block."""

    @abstractmethod
    def load_state_dict(self, row: int, state: Any) -> None:
        """Let a row take over a state that `state_dict` returned, for any row of any block of the same structure."""

    def effective(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """Return hyperparameters as they are in force, by name, shape (rows,), read from where they act.

        They are compared with the study's before and after every interval; by default there is nothing to compare.
        """
        return {}

    def remarks(self) -> Sequence[str]:
        """Return what whoever wrote the training code should know, such as an operation that is slow; told once a study."""
        return ()

    def close(self) -> None:
        """Let go of what the block holds; it is not used again."""
        return


PopulationFactory: TypeAlias = Callable[[Block], PopulationTrainable]


def is_population_form(train: Any) -> bool:
    """Return whether training code is the population form: a subclass of PopulationTrainable, or a partial of one."""
    inner = train.func if isinstance(train, partial) else train
    return isinstance(inner, type) and issubclass(inner, PopulationTrainable)
