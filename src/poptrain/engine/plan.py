"""The settings of a study that the engine goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args

from poptrain.core.errors import BudgetError, ConfigError
from poptrain.core.report import Mode
from poptrain.store.config import StudyConfig

__all__ = ["OnError", "Plan"]

OnError = Literal["stop", "diverge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is trained, how it is judged and how it is kept.

    Args:
        metric: name of the selection metric.
        mode: whether higher ("max") or lower ("min") is better.
        population: number of members, >= 1.
        intervals: intervals each member completes, >= 1.
        interval_steps: steps of an interval, >= 1.
        seed: root of every random draw, >= 0.
        synchronous: whether members wait for each other at the end of every interval.
        durability: seconds after which results are on disk, >= 0; 0 waits for the disk after every interval.
        max_seconds: seconds of training after which the study ends early; None for no limit.
        on_error: what an exception in the user's code means: "stop" the study, or "diverge": the member ranks worst.
    """

    metric: str
    mode: Mode
    population: int
    intervals: int
    interval_steps: int
    seed: int = 0
    synchronous: bool = True
    durability: float = 1.0
    max_seconds: float | None = None
    on_error: OnError = "stop"

    @classmethod
    def of(cls, config: StudyConfig) -> Plan:
        """Return the plan that a study's settings hold, checked."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls)})

    def __post_init__(self) -> None:
        for name in ("population", "intervals", "interval_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name} must be a whole number, got {value!r}")
            if value < 1:
                raise BudgetError(f"{name} must be at least 1, got {value}: pass {name}=1 or more")
        if self.mode not in get_args(Mode):
            raise ConfigError(f"mode must be 'max' or 'min', got {self.mode!r}")
        if self.on_error not in get_args(OnError):
            raise ConfigError(f"on_error must be 'stop' or 'diverge', got {self.on_error!r}")
        if not self.metric:
            raise ConfigError("metric must be the name of what member.report(...) reports, got an empty name")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be a whole number of 0 or more and less than 2**63, got {self.seed!r}")
        if not 0 <= self.durability < math.inf:
            raise ConfigError(
                f"durability must be 0 or more seconds and finite, got {self.durability!r}: pass 1e9 for hardly ever"
            )
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise BudgetError(f"max_seconds must be more than 0, got {self.max_seconds!r}: pass None for no limit")
