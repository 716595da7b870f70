"""The hyperparameters as training code sees them: a mapping that remembers which of them were looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from poptrain.core.errors import ConfigError
from poptrain.core.values import Hparams, Value

__all__ = ["TrackedHparams"]


class TrackedHparams(Mapping[str, Value]):
    """Read-only mapping from name to value; every read is noted.

    A hyperparameter that is neither read nor bound during an interval cannot have any effect on it. That is the most common
    silent fault of tuning, so poptrain looks.

    Example:
        >>> h = TrackedHparams({"lr": 0.1, "wd": 0.0})
        >>> h["lr"]
        0.1
        >>> sorted(h.unread(["lr", "wd"]))
        ['wd']
    """

    __slots__ = ("_read", "_values")

    def __init__(self, values: Hparams) -> None:
        self._values = dict(values)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Value:
        try:
            value = self._values[name]
        except KeyError:
            near = get_close_matches(name, self._values, n=1)
            hint = f": did you mean {near[0]!r}?" if near else f": the space has {', '.join(self._values)}"
            raise ConfigError(f"there is no hyperparameter {name!r}{hint}") from None
        self._read.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return repr(self._values)

    @property
    def plain(self) -> dict[str, Value]:
        """A copy of the values that does not count as reading them."""
        return dict(self._values)

    def replace(self, values: Hparams) -> None:
        """Take new values and forget what was read."""
        self._values = dict(values)
        self._read.clear()

    def unread(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that nobody read since the last `replace`."""
        return set(names) - self._read
