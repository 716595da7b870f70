"""One question to Optuna. Imported by `bayesian` when it is asked; needs the extra of that name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from poptrain.core.values import Hparams, Value
from poptrain.space import Choice, Float, Int, Space
from poptrain.space.base import Parameter

__all__ = ["propose"]


def propose(space: Space, found: Sequence[tuple[Hparams, float | None]], *, sampler: str, seed: int) -> dict[str, Value]:
    """Return the hyperparameters to try next.

    Optuna's study is made anew from the arguments, so that the same arguments give the same answer.

    Args:
        space: with at least one hyperparameter that is tuned.
        found: every configuration so far with its fitness (higher is better), None for those still in training; at least one
            has a fitness.
        sampler: "tpe" or "gp".
        seed: of the sampler, 0 <= seed < 2**32.
    """
    domains = {name: space[name] for name in space.tuned}
    distributions = {name: _distribution(domain) for name, domain in domains.items()}
    if sampler == "gp":
        chosen: optuna.samplers.BaseSampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=1)
    else:
        chosen = optuna.samplers.TPESampler(seed=seed, n_startup_trials=1)
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=chosen)
        for hparams, fitness in found:
            study.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.RUNNING if fitness is None else TrialState.COMPLETE,
                    params={name: _given(domain, hparams[name]) for name, domain in domains.items()},
                    distributions=distributions,
                    value=fitness,
                )
            )
        answer = study.ask(distributions).params
    proposed = {name: _taken(domain, answer[name]) for name, domain in domains.items()}
    return {name: proposed[name] if name in proposed else domain.from_unit(0.5) for name, domain in space.items()}


def _distribution(domain: Parameter) -> BaseDistribution:
    """Return a domain as Optuna knows it; choices are told by their index, since True is 1 to Optuna, and
    transformed numbers by their place in [0, 1]."""
    if isinstance(domain, Float) and domain.transform:
        return FloatDistribution(0.0, 1.0)
    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    assert isinstance(domain, Choice)
    count = len(domain.options)
    return IntDistribution(0, count - 1) if domain.ordered else CategoricalDistribution(tuple(range(count)))


def _given(domain: Parameter, value: Value) -> Value:
    if isinstance(domain, Float) and domain.transform:
        return domain.to_unit(value)
    if not isinstance(domain, Choice):
        return domain.clip(value)
    return int(domain.to_unit(value) * len(domain.options))


def _taken(domain: Parameter, answer: Value) -> Value:
    if isinstance(domain, Float) and domain.transform:
        assert isinstance(answer, float)
        return domain.from_unit(answer)
    if not isinstance(domain, Choice):
        return domain.clip(answer)
    assert isinstance(answer, int)
    return domain.options[answer]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from writing about every study it makes; what a user set stays set."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
