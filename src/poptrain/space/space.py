"""A search space: hyperparameters by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from poptrain.core.errors import SpaceError
from poptrain.core.values import Hparams, Value
from poptrain.space.base import Parameter, plain
from poptrain.space.choice import Choice
from poptrain.space.constant import Constant
from poptrain.space.floats import Float
from poptrain.space.integers import Int

__all__ = ["Space"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_KINDS: dict[str, type[Parameter]] = {kind.kind: kind for kind in (Float, Int, Choice, Constant)}


class Space(Mapping[str, Parameter]):
    """An ordered, immutable mapping from name to domain.

    Nested mappings are joined with dots, and values that are no domains become constants.

    Args:
        parameters: domains, constants or mappings of them, by name.

    Example:
        >>> space = Space({"opt": {"lr": Float(1e-4, 1.0, log=True)}, "layers": 2})
        >>> list(space), space.tuned
        (['opt.lr', 'layers'], ('opt.lr',))
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        if not isinstance(parameters, Mapping):
            raise SpaceError(f"a space is a mapping from name to domain, got {type(parameters).__name__}")
        self._parameters = dict(_flat(parameters, ""))
        for name in self._parameters:
            inner = next((other for other in self._parameters if other.startswith(f"{name}.")), None)
            if inner is not None:
                raise SpaceError(f"{name!r} cannot be a hyperparameter and also hold {inner!r}: rename one")
        self._tuned = tuple(name for name, domain in self._parameters.items() if not isinstance(domain, Constant))
        self._structural = tuple(name for name in self._tuned if self._parameters[name].structural)
        self._movable = tuple(name for name in self._tuned if not self._parameters[name].structural)

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __repr__(self) -> str:
        return f"Space({self._parameters!r})"

    @property
    def tuned(self) -> tuple[str, ...]:
        """Names of the hyperparameters that are not constant."""
        return self._tuned

    @property
    def structural(self) -> tuple[str, ...]:
        """Names of the hyperparameters that change the shape of the state."""
        return self._structural

    @property
    def movable(self) -> tuple[str, ...]:
        """Names of the hyperparameters that explore may change: tuned and not structural."""
        return self._movable

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """Draw every hyperparameter."""
        return {name: domain.sample(rng) for name, domain in self.items()}

    def clip(self, hparams: Hparams) -> dict[str, Value]:
        """Return the nearest hyperparameters inside the space; names as in `validate`."""
        self.check_names(hparams)
        missing = [name for name in self if name not in hparams]
        if missing:
            raise SpaceError(f"hyperparameters {', '.join(missing)} are missing: give a value for every name")
        return {name: domain.clip(hparams[name]) for name, domain in self.items()}

    def validate(self, hparams: Hparams) -> dict[str, Value]:
        """Return the hyperparameters in the space's order, constants filled in.

        Raises:
            SpaceError: a name is unknown or missing, or a value lies outside of its domain.
        """
        self.check_names(hparams)
        found: dict[str, Value] = {}
        for name, domain in self.items():
            if name not in hparams and not isinstance(domain, Constant):
                raise SpaceError(f"hyperparameter {name!r} is missing: give {domain.describe()}")
            value = plain(hparams.get(name, domain.from_unit(0.5)))
            if not domain.contains(value):
                raise SpaceError(f"hyperparameter {name!r} must be {domain.describe()}, got {value!r}")
            found[name] = domain.clip(value)  # inside already: 1 becomes 1.0 in a Float
        return found

    def check_names(self, names: Any) -> None:
        """Raise SpaceError if one of `names` is not in the space."""
        for name in names:
            if name not in self._parameters:
                near = get_close_matches(str(name), self._parameters, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self) or 'none'}"
                raise SpaceError(f"the space has no hyperparameter {name!r}: {hint}")

    def nest(self, hparams: Hparams) -> dict[str, Any]:
        """Return flat hyperparameters as nested dicts: {"opt.lr": 1} as {"opt": {"lr": 1}}."""
        nested: dict[str, Any] = {}
        for name, value in hparams.items():
            *parents, last = name.split(".")
            place = nested
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return nested

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON."""
        return {name: domain.to_json() for name, domain in self.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        """Return the space that `to_json` wrote; `log`, `ordered` and `structural` may be left out.

        Raises:
            SpaceError: a domain is of an unknown type, or has unknown fields.
        """
        return cls({name: _from_json(name, entry) for name, entry in data.items()})


def _flat(parameters: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Parameter]]:
    seen: set[str] = set()
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if not isinstance(key, str) or not _NAME.fullmatch(name) or ".." in name or name.endswith("."):
            raise SpaceError(f"a hyperparameter's name is 1 to 64 letters, digits, dots, dashes and underscores, got {name!r}")
        entries = _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, _domain(name, value))]
        for full, domain in entries:
            if full in seen:
                raise SpaceError(f"the space has {full!r} twice: rename one")
            seen.add(full)
            yield full, domain


def _domain(name: str, value: Any) -> Parameter:
    if isinstance(value, Parameter):
        return value
    try:
        return Constant(value)
    except SpaceError as error:
        raise SpaceError(f"hyperparameter {name!r}: {error}; use Float, Int or Choice for what is to be tuned") from None


def _from_json(name: str, entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    fields = dict(entry)
    kind = _KINDS.get(str(fields.pop("type", "")))
    if kind is None:
        raise SpaceError(f"hyperparameter {name!r} must have a type among {', '.join(_KINDS)}, got {entry.get('type')!r}")
    try:
        return kind(**fields)
    except TypeError as error:
        raise SpaceError(f"hyperparameter {name!r}: {error}") from None
