"""Bayesian search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Literal, get_args

from poptrain.baselines.turns import Turns
from poptrain.core.decisions import Continue, Decision, Restart
from poptrain.core.errors import BudgetError, ConfigError, MissingExtra
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.random_search import check_length, starting_points

__all__ = ["BayesianSearch", "BayesianState"]

Sampler = Literal["tpe", "gp"]


@dataclass(slots=True)
class BayesianState:
    """Every configuration that has begun; the lists have one entry for each, by number.

    Args:
        turns: which configuration each member is training.
        hparams: its hyperparameters.
        best: its highest fitness; None before any.
        over: whether its turn is over.
    """

    turns: Turns
    hparams: list[dict[str, Value]] = field(default_factory=list)
    best: list[float | None] = field(default_factory=list)
    over: list[bool] = field(default_factory=list)

    def copy(self) -> BayesianState:
        """Return a state that can be changed; the hyperparameters are replaced, never changed."""
        return BayesianState(self.turns.copy(), list(self.hparams), list(self.best), list(self.over))

    def begin(self, hparams: Hparams) -> None:
        """Add a configuration."""
        self.hparams.append(dict(hparams))
        self.best.append(None)
        self.over.append(False)


@dataclass(frozen=True)
class BayesianSearch(Algorithm[BayesianState]):
    """Draws some configurations and then trains those that a model of all earlier ones promises most of, by Optuna.

    Each configuration is trained from a fresh network for `length` intervals and counts with its best score, which is what a
    study keeps of it. Members work at the same time: the model knows which configurations are still in training. One that
    failed ends at once and counts as no better than the worst that did not.

    Args:
        sampler: "tpe" (tree-structured Parzen estimators) or "gp" (a Gaussian process, which needs torch too).
        length: intervals that a configuration is trained, >= 1; None for a quarter of the study's, or as
            many as leave time for `warm_up` configurations and one more.
        warm_up: configurations that must be over before the model proposes, >= 1; until then they are drawn.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Bergstra et al. (2011), Algorithms for Hyper-Parameter Optimization.
        Akiba et al. (2019), Optuna: A Next-generation Hyperparameter Optimization Framework.
    """

    sampler: Sampler = "tpe"
    length: int | None = None
    warm_up: int = 10
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = BayesianState

    def __post_init__(self) -> None:
        check_length(self.length)
        if self.sampler not in get_args(Sampler):
            raise ConfigError(f"sampler must be one of {', '.join(get_args(Sampler))}, got {self.sampler!r}")
        if isinstance(self.warm_up, bool) or not isinstance(self.warm_up, int) or self.warm_up < 1:
            raise ConfigError(f"warm_up must be a whole number of at least 1, got {self.warm_up!r}: 10 is usual")

    def init(self, context: Context) -> tuple[BayesianState, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody.

        Raises:
            MissingExtra: Optuna, or what the sampler needs beside it, is not installed.
            ConfigError: there is nothing to tune.
            BudgetError: the model would never be asked.
        """
        _model(self.sampler)
        if not context.space.tuned:
            raise ConfigError(f"Bayesian search needs a hyperparameter to tune, got only constants: {', '.join(context.space)}")
        length = self._length(context)
        before = context.population * ((context.intervals - 1) // length)
        if before < self.warm_up:
            raise BudgetError(
                f"Bayesian search needs {self.warm_up} configurations before the model proposes any, but {context.population} "
                f"members with {context.intervals} intervals have done {before} of {length} intervals each when the last ones "
                f"begin: pass a smaller length, warm_up={max(1, before)}, or more intervals"
            )
        starts = starting_points(context, self.initial)
        state = BayesianState(Turns.first(context.population))
        for hparams in starts:
            state.begin(hparams)
        return state, starts

    def tell(
        self, context: Context, state: BayesianState, reports: Sequence[Report]
    ) -> tuple[BayesianState, tuple[Decision, ...]]:
        """Begin a new configuration in the place of each whose turn is over."""
        state = state.copy()
        stop = state.turns.note(reports)
        if stop is not None:
            return state, (stop,)
        for report in reports:  # everybody, before anything is proposed
            self._note(context, state, report)
        return state, tuple(self._decide(context, state, report) for report in reports)

    def _length(self, context: Context) -> int:
        if self.length is not None:
            return self.length
        longest = -(-context.intervals // 4)
        fitting = (n for n in range(longest, 1, -1) if context.population * ((context.intervals - 1) // n) >= self.warm_up)
        return next(fitting, 1)

    def _note(self, context: Context, state: BayesianState, report: Report) -> None:
        number = state.turns.numbers[report.member]
        best = state.best[number]
        if not report.failed and (best is None or report.fitness > best):
            state.best[number] = report.fitness
        state.over[number] = report.failed or state.turns.trained(report) >= self._length(context)

    def _decide(self, context: Context, state: BayesianState, report: Report) -> Decision:
        m, number = report.member, state.turns.numbers[report.member]
        if report.interval >= context.intervals:
            return Continue(m, "the last interval: nothing would be trained any more")
        if not state.over[number]:
            return Continue(m, f"configuration {number}, after {state.turns.trained(report)} intervals of it")
        hparams, source = self._propose(context, state, report)
        following = state.turns.next(report)
        state.begin(hparams)
        why = "failed" if report.failed else f"had its turn of {self._length(context)} intervals"
        return Restart(m, hparams, f"configuration {number} {why}; configuration {following} begins: {source}")

    def _propose(self, context: Context, state: BayesianState, report: Report) -> tuple[Hparams, str]:
        """Return the next configuration, and in words where it comes from."""
        scored = [fitness for fitness, over in zip(state.best, state.over, strict=True) if over and fitness is not None]
        done = sum(state.over)
        if done < self.warm_up or not scored:
            drawn = context.space.sample(context.keys.generator("restart", report.member, report.interval))
            return drawn, f"random, {done} of {self.warm_up} configurations are over"
        found = [
            (hparams, (min(scored) if best is None else best) if over else None)
            for hparams, best, over in zip(state.hparams, state.best, state.over, strict=True)
        ]
        seed = context.keys.integer("model", report.member, report.interval) & 0xFFFFFFFF
        return _model(self.sampler).propose(
            context.space, found, sampler=self.sampler, seed=seed
        ), f"model ({self.sampler}) of {done}"


def _model(sampler: Sampler) -> ModuleType:
    """Return the module that needs Optuna."""
    try:
        if sampler == "gp":
            import_module("torch")
        return import_module("poptrain.baselines.ask_optuna")
    except ModuleNotFoundError as error:
        extra = "torch" if error.name == "torch" else "bayesian"
        raise MissingExtra(f"BayesianSearch(sampler={sampler!r})", extra) from error
