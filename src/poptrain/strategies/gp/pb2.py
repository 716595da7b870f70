"""Population Based Bandits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from poptrain.core.decisions import Continue, Decision, Replace
from poptrain.core.errors import ConfigError
from poptrain.core.report import Report
from poptrain.core.values import Hparams, Value
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.explore import Chain, Explore, Perturb, Resample, changes
from poptrain.strategies.gp.bandit import drawn
from poptrain.strategies.gp.memory import Memory
from poptrain.strategies.gp.model import Model, check_installed
from poptrain.strategies.gp.rows import kinds_of, place_of, value_of
from poptrain.strategies.random_search import starting_points

__all__ = ["PB2"]


@dataclass(frozen=True)
class PB2(Algorithm[Memory]):
    """PBT whose copies go where a model of all earlier intervals promises the highest gain.

        exploit   truncation: the bottom `quantile` copies a draw from the top one
        explore   argmax over h of mu(h | time, score) + sqrt(beta) sigma(h | time, score)

    mu and sigma are of a Gaussian process over the gains of single intervals, whose memory fades with time. Gains are measured
    from the state that an interval began with, so that a copy is not taken for one. Copies of the same round know of each
    other through sigma. Numbers are modelled in the unit cube, logarithmically where their domain is; ordered choices by their
    place. Unordered choices are drawn by a bandit that forgets (time-varying EXP3), and the process is conditioned on them by a
    mixed kernel: PB2-Mix. Until there are `least_rows` rows, `explore` changes what is copied; every decision says whether
    it was `random` or came from the `model`.

    Departures from the papers: options are drawn one member at a time, not several at once (EXP3 for EXP3.M); a failed
    interval counts as the lowest gain so far; candidates of the acquisition are drawn and refined around the best, not climbed.

    Args:
        quantile: part of the population that copies, and that is copied, 0 < quantile <= 0.5; at least one member.
        least_rows: rows before the model proposes, >= 2; None for twice as many as there are hyperparameters, at least four.
        explore: what a copy changes before.
        ready_interval: a member is ready after every so many intervals, >= 1.
        initial: hyperparameters of the first members; the others are drawn.

    References:
        Parker-Holder et al. (2020), Provably Efficient Online Hyperparameter Optimization with Population-Based Bandits, arXiv
        2002.02518.
        Parker-Holder et al. (2021), Tuning Mixed Input Hyperparameters on the Fly for Efficient Population Based AutoRL, arXiv
        2106.15883.
    """

    quantile: float = 0.25
    least_rows: int | None = None
    explore: Explore = Chain((Resample(0.25), Perturb((0.8, 1.2))))  # noqa: RUF009 (a frozen policy)
    ready_interval: int = 1
    initial: tuple[Mapping[str, Value], ...] = ()
    state_type: ClassVar[type[Any]] = Memory

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", tuple(dict(hparams) for hparams in self.initial))
        check_options(self.quantile, self.least_rows, self.explore)
        ready = self.ready_interval
        if isinstance(ready, bool) or not isinstance(ready, int) or ready < 1:
            raise ConfigError(f"ready_interval must be a whole number of at least 1, got {ready!r}")

    def init(self, context: Context) -> tuple[Memory, tuple[Hparams, ...]]:
        """Return drawn hyperparameters for everybody.

        Raises:
            ConfigError: there is nobody to copy.
            MissingExtra: scikit-learn is not installed.
        """
        check_installed("PB2")
        if context.population < 2:
            raise ConfigError(f"population must be at least 2 for exploitation, got {context.population}: pass population=2")
        self.explore.check(context.space)
        starts = starting_points(context, self.initial)
        return Memory.begin(context.space, starts), starts

    def tell(self, context: Context, state: Memory, reports: Sequence[Report]) -> tuple[Memory, tuple[Decision, ...]]:
        """Return the state after the reports, and a decision for each."""
        before = state.noting(context.space, reports)
        stop = before.seen.stop()
        if stop is not None:
            return before, (stop,)
        after = before.copy()
        order = before.seen.ranking(context, reports)
        places = {member: place for place, member in enumerate(order)}
        model = Model(before.rows, intervals=context.intervals, most=None) if self._ready(context, before) else None
        return after, tuple(self._decide(context, before, after, order, places[r.member], r, model) for r in reports)

    def _ready(self, context: Context, state: Memory) -> bool:
        numbers, _ = kinds_of(context.space)
        return bool(numbers) and len(state.rows) >= least_rows(context, self.least_rows)

    def _decide(
        self,
        context: Context,
        before: Memory,
        after: Memory,
        order: Sequence[int],
        place: int,
        report: Report,
        model: Model | None,
    ) -> Decision:
        m, seen = report.member, before.seen
        if report.interval >= context.intervals:
            return Continue(m, "the last interval: nothing would be trained on a copy")
        if report.interval % self.ready_interval and not report.failed:
            return Continue(m, f"not ready after interval {report.interval}")
        count = min(max(1, round(self.quantile * len(order))), len(order) // 2)
        if not report.failed and (count == 0 or place < len(order) - count):
            return Continue(m, f"ranks {place + 1} of {len(order)}")
        donors = [x for x in order[: max(1, count)] if seen.fitness[x] is not None and x != m]
        if not donors:
            return Continue(m, f"ranks {place + 1} of {len(order)}, and nobody is healthy to copy")
        donor = donors[int(context.keys.generator("exploit", m, report.interval).random() * len(donors))]
        base, fitness = seen.hparams[donor], seen.value(donor)
        hparams, how = proposed(context, before, model, report, base, fitness, explore=self.explore)
        after.take_over(m, fitness, base)
        why = "failed" if report.failed else f"ranks {place + 1} of {len(order)}"
        text = f"{why}: copies member {donor} ({fitness:.6g}); {how}: {changes(base, hparams)}"
        return Replace(m, donor, seen.intervals[donor], hparams, True, text)


def proposed(
    context: Context,
    state: Memory,
    model: Model | None,
    report: Report,
    base: Hparams,
    fitness: float,
    *,
    explore: Explore,
    radius: float = 1.0,
) -> tuple[dict[str, Value], str]:
    """Return the hyperparameters of a copy, and who proposed them: the bandit and the model, or chance.

    Args:
        model: None for chance.
        base: what was copied.
        fitness: of the copied state.
        explore: what chance changes.
        radius: of the trust region around `base`.
    """
    rng = context.keys.generator("explore", report.member, report.interval)
    if model is None:
        return explore(rng, context.space, base), f"random ({len(state.rows)} rows)"
    options = [drawn(weights, rng) for weights in state.weights]
    centre, _ = place_of(context.space, base)
    found = model.propose(rng, time=report.interval + 1, before=fitness, centre=centre, options=options, radius=radius)
    how = f"model (gain {found.mean:.3g} +- {found.deviation:.3g} deviations)"
    return value_of(context.space, base, found.units, options), how


def least_rows(context: Context, asked: int | None) -> int:
    """Return the rows that the model waits for."""
    return max(4, 2 * len(context.space.movable)) if asked is None else asked


def check_options(quantile: float, least: int | None, explore: Explore) -> None:
    """Refuse options that make no sense."""
    if isinstance(quantile, bool) or not 0 < quantile <= 0.5:
        raise ConfigError(f"quantile must be more than 0 and at most 0.5, got {quantile!r}: 0.25 is usual")
    if least is not None and (isinstance(least, bool) or not isinstance(least, int) or least < 2):
        raise ConfigError(f"least_rows must be a whole number of at least 2, or None, got {least!r}")
    if not isinstance(explore, Explore):
        raise ConfigError(f"explore must be an explore strategy such as perturb(), got {explore!r}")
