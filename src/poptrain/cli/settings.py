"""What a study is asked to be: by flags, by a TOML file, by the target."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from poptrain.core.errors import ConfigError

__all__ = ["Asked", "parse_sets", "read_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Options of a study as they were given; None is not given.

    Names are those of `poptrain.tune`, and the keys of the TOML file.

    Args:
        target: what is trained.
        algorithm, exploit, explore, ready_interval, control, objectives: see `policies.algorithm_of`.
        initial: folder of a study whose best hyperparameters the first half of the members begin with.
        settings: the task's own settings.
        space: the search space, in its JSON form.
    """

    target: str | None = None
    directory: str | None = None
    metric: str | None = None
    mode: str | None = None
    population: int | None = None
    intervals: int | None = None
    interval_steps: int | None = None
    algorithm: str | None = None
    exploit: str | None = None
    explore: str | None = None
    ready_interval: int | None = None
    control: int | None = None
    objectives: list[str] = field(default_factory=list)
    initial: str | None = None
    executor: str | None = None
    workers: int | None = None
    threads: int | None = None
    bodies: int | None = None
    seed: int | None = None
    synchronous: bool | None = None
    durability: float | None = None
    deadline: float | None = None
    max_seconds: float | None = None
    on_error: str | None = None
    preflight: bool | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    space: dict[str, Any] | None = None

    def over(self, other: Asked) -> Asked:
        """Return these options, completed by `other`'s where nothing was given; settings are merged."""
        given = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, [])}
        return replace(other, **{**given, "settings": {**other.settings, **self.settings}})

    def options(self) -> dict[str, Any]:
        """Return what goes to `tune` as it is."""
        names = (
            *("population", "intervals", "interval_steps", "executor", "workers", "threads", "bodies", "seed"),
            *("synchronous", "durability", "deadline", "max_seconds", "on_error", "preflight"),
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def read_config(path: Path) -> Asked:
    """Return the options in a TOML file; a target FILE.py in it lies relative to the file.

    Raises:
        ConfigError: it is missing or no TOML, or a key is unknown or has a value of another type.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from error
    _check_keys(data, path)
    try:
        asked = msgspec.convert(data, type=Asked)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the configuration {path} has a value of the wrong type: {_plain(error)}") from error
    if asked.target is not None and ".py:" in asked.target:
        return replace(asked, target=str(path.parent / asked.target))
    return asked


def parse_sets(sets: Sequence[str]) -> dict[str, str]:
    """Return the settings of `--set KEY=VALUE` options.

    Raises:
        ConfigError: there is no equals sign, or nothing before it.
    """
    found = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set takes KEY=VALUE, got {text!r}")
        found[key.strip()] = value
    return found


def _check_keys(data: Mapping[str, Any], path: Path) -> None:
    known = [f.name for f in fields(Asked)]
    for key in data:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"the configuration {path} has an unknown key {key!r}: {hint}")


def _plain(error: Exception) -> str:
    """Return msgspec's message without what only a programmer knows: TOML has no null, and `$` is the file."""
    return str(error).replace(" | null", "").replace("`$.", "`")
