"""What looks wrong with a study, in words, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from poptrain.core.report import fitness_of
from poptrain.results.analysis import noise_of, spread
from poptrain.results.sparkline import number_text
from poptrain.space import Choice, Float, Int
from poptrain.space.base import Parameter

if TYPE_CHECKING:
    from poptrain.results.study import Study

__all__ = ["Diagnosis", "Kind", "at_bounds", "diagnose", "failing", "flattered", "greedy", "has_order", "noisy", "taken_over"]

Kind: TypeAlias = Literal["failures", "greediness", "diversity", "noise", "bound", "held-out"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Something that a user should know.

    Args:
        kind: what it is about.
        text: what was found, with its numbers.
        remedy: what to try.
    """

    kind: Kind
    text: str
    remedy: str


def diagnose(study: Study) -> list[Diagnosis]:
    """Return everything that looks wrong, the most pressing first; empty where nothing does, or where it is too early."""
    rules: tuple[Callable[[Study], list[Diagnosis]], ...] = (failing, flattered, taken_over, greedy, noisy, at_bounds)
    return [found for rule in rules for found in rule(study)]


def has_order(domain: Parameter) -> bool:
    """Return whether the values of a domain have an order, so that a spread of their places means something."""
    return domain.ordered if isinstance(domain, Choice) else True


def failing(study: Study) -> list[Diagnosis]:
    """Say when more than a tenth of all intervals failed, or failed at first."""
    done, reasons = sum(study.completed), Counter(failure.reason for failure in study.failures)
    failed = sum(reasons.values())
    if not done or failed <= 0.1 * done:
        return []
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    remedy = {
        "diverged": "narrow the range of the learning rate, clip gradients, or begin with smaller values",
        "lost": "give each member more memory: fewer workers, smaller batches",
        "stuck": "raise the deadline, or look for what a member waits for",
        "error": "read the traceback among the events below and repair the training code",
    }
    return [
        Diagnosis(
            "failures",
            f"{failed} failure{'' if failed == 1 else 's'} in {done} member-intervals ({counts}). Each of them cost "
            "budget and told the search nothing.",
            f"Most of them {'are' if failed > 1 else 'is'} {reasons.most_common(1)[0][0]}: "
            f"{remedy.get(reasons.most_common(1)[0][0], 'read their details among the events below')}.",
        )
    ]


def flattered(study: Study) -> list[Diagnosis]:
    """Say when the selection score is far above the held-out score of the same checkpoint in the same metric.

    Far is more than 5 % of the selection score, and more than three deviations of its noise where that is known.
    """
    held, metric = study.held_out, study.config.metric
    if not study.scored or held is None or (held.member, held.interval) != (study.best.member, study.best.interval):
        return []
    selection, other = study.best.score, held.metrics.get(metric)
    gap = fitness_of(selection, study.config.mode) - fitness_of(other, study.config.mode)
    noise = noise_of(study.record, study.lineage)
    if not gap > max(0.05 * abs(selection), 3.0 * noise.deviation if noise else 0.0):  # a missing score is NaN
        return []
    return [
        Diagnosis(
            "held-out",
            f"The best checkpoint has a selection score of {number_text(selection)} in {metric}, but {number_text(other)} on "
            f"held-out data. The best of {sum(study.completed)} scores is partly luck, and a schedule can overfit the "
            "selection data.",
            "Quote the held-out score only. Select on more data, or on a fresh part of it, with a larger evaluation set.",
        )
    ]


def taken_over(study: Study) -> list[Diagnosis]:
    """Say when all members descend from one beginning before half of the budget is spent; restarts are beginnings."""
    record, budget = study.record, study.config.intervals
    if record.population < 3 or not record.intervals:
        return []
    first = next((i + 1 for i, n in enumerate(study.ancestors_alive) if n == 1), None)
    if first is None or first - 1 >= budget / 2 or not record.reported[:, first - 1].all():
        return []
    return [
        Diagnosis(
            "diversity",
            f"One of {record.population} members had taken over the whole population in interval {first} of {budget}: from "
            "then on every network is a copy of its weights, and other beginnings are lost.",
            "Copy less eagerly (a smaller truncation quantile, a longer ready interval), raise the population, or use an "
            "algorithm that keeps sub-populations or restarts members (MF-PBT, FIRE-PBT, restarts).",
        )
    ]


def greedy(study: Study) -> list[Diagnosis]:
    """Say which hyperparameters collapsed: a spread under a tenth of the first one when a quarter of the budget is spent."""
    record, quarter = study.record, max(2, study.config.intervals // 4)
    if record.population < 4 or record.intervals < quarter:
        return []
    collapsed = []
    for name in study.space.movable:
        course = spread(record.hparams[name], ordered=has_order(study.space[name]))
        if course[0] > 0 and course[quarter - 1] < 0.1 * course[0]:
            collapsed.append(f"{name} (spread {course[quarter - 1]:.2g} of {course[0]:.2g})")
    if not collapsed:
        return []
    return [
        Diagnosis(
            "greediness",
            f"After a quarter of the budget (interval {quarter}) the population has almost stopped to differ in "
            f"{', '.join(collapsed)}. What is good in the short run has won, whether or not it is in the long run.",
            "Explore more (larger factors, resampling with a probability), make intervals longer, or use FIRE-PBT or MF-PBT, "
            "which judge hyperparameters by a longer run.",
        )
    ]


def noisy(study: Study) -> list[Diagnosis]:
    """Say when an interval changes scores less than their noise: ranks do not last, and gains are below the deviation."""
    found = noise_of(study.record, study.lineage)
    if found is None or abs(found.agreement) > 0.2 or not abs(found.gain) < found.deviation:
        return []
    return [
        Diagnosis(
            "noise",
            f"Ranks hardly last from one interval to the next (rank correlation {found.agreement:.2f}), and an interval moves "
            f"the score by {number_text(abs(found.gain))} while it is uncertain by {number_text(found.deviation)}. Copies "
            "then follow luck, not quality.",
            "Train longer intervals, evaluate on more data, or copy only on gaps larger than the noise (--exploit dead-band).",
        )
    ]


def at_bounds(study: Study) -> list[Diagnosis]:
    """Say which hyperparameters lay within 1 % of a bound for more than a third of the winning schedule."""
    spans = study.schedule.spans
    found: list[Diagnosis] = []
    for name in study.schedule.names:
        domain = study.space.get(name)
        if not isinstance(domain, (Float, Int)) or name not in study.space.movable:
            continue
        if len(study.record.hparams[name].options) < 2:
            continue  # chosen by hand: nobody has searched
        places = np.array([domain.to_unit(span.hparams[name]) for span in spans])
        lengths = [span.end_step - span.start_step for span in spans]
        found += _bound(name, domain, float(np.dot(places <= 0.01, lengths)) / study.schedule.steps, "lower", domain.low)
        found += _bound(name, domain, float(np.dot(places >= 0.99, lengths)) / study.schedule.steps, "upper", domain.high)
    return found


def _bound(name: str, domain: Float | Int, part: float, side: str, bound: float) -> Sequence[Diagnosis]:
    if part <= 1 / 3:
        return ()
    way = "Lower it" if side == "lower" else "Raise it"
    natural = ", unless it is a natural limit" if bound in (0, 1) else ""
    return (
        Diagnosis(
            "bound",
            f"The winning schedule has {name} at its {side} bound {number_text(bound)} for {part:.0%} of its steps: better "
            "values may lie beyond.",
            f"{way}{natural}, and run again.",
        ),
    )
