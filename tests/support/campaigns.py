"""Whole studies without an engine, for algorithms that begin members anew; every call is checked against the contract."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from poptrain.core.decisions import Continue, Decision, Replace, Restart, Stop
from poptrain.core.report import Report
from poptrain.core.values import Hparams
from poptrain.strategies.base import Algorithm, Context

Score = Callable[[Hparams, int, int], float]
"""From (hyperparameters, intervals trained with this network, intervals of the member) to fitness."""


@dataclass
class Campaign:
    """What happened.

    Args:
        trained: by member, (hyperparameters, number of the interval with this network, from 1) of every interval.
        decisions: all, in their order.
        stopped: whether the algorithm stopped the study.
        state: the last one.
    """

    trained: list[list[tuple[dict[str, Any], int]]]
    decisions: list[Decision] = field(default_factory=list)
    stopped: Stop | None = None
    state: Any = None

    @property
    def restarts(self) -> list[Restart]:
        return [decision for decision in self.decisions if isinstance(decision, Restart)]

    def turns(self, member: int) -> list[tuple[dict[str, Any], int]]:
        """Return (first hyperparameters, intervals) of each network of a member, in order."""
        found: list[tuple[dict[str, Any], int]] = []
        for hparams, age in self.trained[member]:
            if age == 1:
                found.append((hparams, 0))
            found[-1] = (found[-1][0], found[-1][1] + 1)
        return found


def told(algorithm: Algorithm[Any], context: Context, state: Any, reports: list[Report]) -> tuple[Any, tuple[Decision, ...]]:
    """Return what `tell` returns, having checked that it is pure and that its state survives the journal."""
    before = copy.deepcopy(state)
    after, decisions = algorithm.tell(context, state, reports)
    assert state == before, "tell changed the state it was given"
    stored = msgspec.json.decode(msgspec.json.encode(after), type=algorithm.state_type)
    assert stored == after, "the state does not survive the journal"
    revived = msgspec.json.decode(msgspec.json.encode(before), type=algorithm.state_type)
    assert algorithm.tell(context, revived, reports) == (after, decisions), "the same arguments gave another result"
    return stored, decisions


def campaign(
    algorithm: Algorithm[Any], context: Context, score: Score, *, synchronous: bool = True, shuffle: int = 0
) -> Campaign:
    """Run a study to its end.

    Args:
        shuffle: seed of the order in which members report where they are not in step.
    """
    state, starts = algorithm.init(context)
    assert len(starts) == context.population
    hparams: list[dict[str, Any]] = [context.space.validate(start) for start in starts]
    ages, run, order = [0] * context.population, Campaign([[] for _ in starts]), random.Random(shuffle)
    while run.stopped is None and any(len(line) < context.intervals for line in run.trained):
        unfinished = [m for m, line in enumerate(run.trained) if len(line) < context.intervals]
        reports = []
        for m in unfinished if synchronous else [order.choice(unfinished)]:
            ages[m] += 1
            run.trained[m].append((hparams[m], ages[m]))
            fitness = score(hparams[m], ages[m], len(run.trained[m]))
            reports.append(Report(m, len(run.trained[m]), fitness, dict(hparams[m])))
        state, decisions = told(algorithm, context, state, reports)
        run.decisions += decisions
        if isinstance(decisions[0], Stop):
            assert len(decisions) == 1
            run.stopped = decisions[0]
            break
        assert [d.member for d in decisions if not isinstance(d, Stop)] == [report.member for report in reports]
        for decision in decisions:
            _carry_out(decision, context, run, hparams, ages)
    run.state = state
    return run


def _carry_out(decision: Decision, context: Context, run: Campaign, hparams: list[dict[str, Any]], ages: list[int]) -> None:
    assert not isinstance(decision, Stop)
    assert decision.because
    if isinstance(decision, Continue):
        return
    m = decision.member
    assert len(run.trained[m]) < context.intervals, "a decision after the last interval trains nothing"
    hparams[m] = context.space.validate(decision.hparams)
    if isinstance(decision, Restart):
        ages[m] = 0
    elif isinstance(decision, Replace) and decision.weights:
        ages[m] = ages[decision.donor]
