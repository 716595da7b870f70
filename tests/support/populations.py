"""Populations without an engine: the bare loop of init and tell, for tests of strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from poptrain.core.decisions import Replace, Restart, Stop
from poptrain.core.report import Report
from poptrain.core.rng import Keys
from poptrain.core.values import Hparams
from poptrain.space import Space
from poptrain.strategies.base import Algorithm, Context


def context_of(space: Mapping[str, Any], population: int, *, intervals: int = 100, seed: int = 0) -> Context:
    return Context(Keys(seed), Space(space), population, intervals)


def round_of(interval: int, fitness: Sequence[float], hparams: Sequence[Hparams]) -> list[Report]:
    """Return the reports of a whole population after one interval."""
    return [Report(member, interval, fitness[member], hparams[member]) for member in range(len(fitness))]


def train(
    kind: Any,
    space: Mapping[str, Any],
    algorithm: Algorithm[Any],
    *,
    population: int,
    intervals: int,
    steps: Sequence[int],
    seed: int,
) -> list[float]:
    """Train a population of class-form trainables in lockstep.

    Args:
        steps: an interval's steps, in parts; scores are taken after each part.

    Returns:
        The best score after every part, in order.
    """
    context = context_of(space, population, intervals=intervals, seed=seed)
    state, starts = algorithm.init(context)
    hparams = [dict(start) for start in starts]
    members = [kind() for _ in range(population)]
    best: list[float] = []
    states: dict[tuple[int, int], Any] = {}
    kept: set[tuple[int, int]] = set()
    for interval in range(1, intervals + 1):
        for member, values in zip(members, hparams, strict=True):
            member.configure(values)
        for part in steps:
            for member in members:
                member.step(part)
            scores = [float(member.evaluate()) for member in members]
            best.append(max(scores))
        state, decisions = algorithm.tell(context, state, round_of(interval, scores, hparams))
        states = {key: states[key] for key in kept} | {(m, interval): member.state_dict() for m, member in enumerate(members)}
        for decision in decisions:
            assert not isinstance(decision, Stop)
            if isinstance(decision, Replace) and decision.weights:
                members[decision.member].load_state_dict(states[decision.donor, decision.donor_interval])
            if isinstance(decision, Restart):
                members[decision.member] = kind()
            if isinstance(decision, (Replace, Restart)):
                hparams[decision.member] = dict(decision.hparams)
        kept = set(algorithm.keeps(state))
    return best
