"""The settings of a study as its journal keeps them: enough to take it up again, and to refuse another one's settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from poptrain.core.errors import StoreError, StudyMismatch
from poptrain.core.report import Mode

__all__ = ["CodeReference", "StudyConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReference:
    """Where a study's training code is found again.

    Args:
        kind: "task" (a built-in task), "file" (FILE.py and a name in it), "module" (an importable module and a name in it),
            or "none": only the program that made it knows.
        target: the task's name, the file's absolute path, or the module's name.
        name: the name inside of the file or module.
        settings: the task's settings.
    """

    kind: Literal["task", "file", "module", "none"]
    target: str = ""
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyConfig:
    """All settings of a study; see `poptrain.tune` for what they mean.

    `space` and `algorithm` are in their JSON forms. The fields of `CHANGEABLE` may differ when a study is taken up again.
    """

    name: str
    version: str
    created: float
    metric: str
    mode: Mode
    population: int
    intervals: int
    interval_steps: int
    seed: int
    synchronous: bool
    durability: float
    deadline: float | None
    max_seconds: float | None
    on_error: str
    space: Any
    algorithm: Any
    executor: str
    workers: int
    threads: int
    bodies: int | None
    code: CodeReference
    arrangement: str = ""
    """How the executor was chosen, where it was left open."""

    def encode(self) -> str:
        """Return the settings as JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> StudyConfig:
        """Return settings from JSON.

        Raises:
            StoreError: the text is not what `encode` writes.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise StoreError(f"the study's settings cannot be read: {error}") from error

    def check_same(self, asked: StudyConfig, directory: str) -> None:
        """Refuse to go on with other settings than the study was begun with.

        Raises:
            StudyMismatch: a setting that shapes the result differs, or there are fewer intervals than before.
        """
        for name in _SHAPING:
            mine, theirs = getattr(self, name), getattr(asked, name)
            if mine != theirs:
                raise StudyMismatch(
                    f"{directory} holds a study with {name}={_short(mine)}, asked for is {name}={_short(theirs)}: "
                    f"ask for the same, or choose another directory"
                )
        if asked.intervals < self.intervals:
            raise StudyMismatch(
                f"{directory} holds a study of {self.intervals} intervals, asked for are {asked.intervals}: a budget can be "
                f"raised, not cut; ask for {self.intervals} or more, or choose another directory"
            )


_SHAPING = (
    "metric",
    "mode",
    "population",
    "interval_steps",
    "seed",
    "synchronous",
    "space",
    "algorithm",
    "threads",
)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
