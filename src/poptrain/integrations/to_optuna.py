"""Optuna: one finished evaluation for each interval of each member."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.core.events import Reported
from poptrain.results import Study
from poptrain.space import Choice, Constant, Float, Int, Parameter

__all__ = ["write"]


def write(study: Study, to: str, where: Path) -> None:
    """Write a journal that optuna-dashboard opens.

    Optuna knows no weights that go from one evaluation to the next: take member and interval from the user attributes.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
        from optuna.study import StudyDirection
    except ImportError:
        raise MissingExtra("the export to Optuna", "bayesian") from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(where)))
        direction = StudyDirection.MAXIMIZE if study.config.mode == "max" else StudyDirection.MINIMIZE
        found = optuna.create_study(study_name=study.name, storage=storage, direction=direction)
        found.add_trials([_evaluation(study, report) for report in study.reports()])
    finally:
        optuna.logging.set_verbosity(before)


def _evaluation(study: Study, report: Reported) -> Any:
    from optuna.trial import FrozenTrial, TrialState

    tuned = {name: domain for name, domain in study.space.items() if not isinstance(domain, Constant)}
    failed = report.score is None
    return FrozenTrial(
        number=0,  # the storage counts anew
        trial_id=0,
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        value=report.score,
        datetime_start=datetime.fromtimestamp(report.began),
        datetime_complete=datetime.fromtimestamp(report.ended),
        params={name: domain.clip(report.hparams[name]) for name, domain in tuned.items()},
        distributions={name: _distribution(domain) for name, domain in tuned.items()},
        user_attrs={
            "member": report.member,
            "interval": report.interval,
            **{f"metric.{name}": value for name, value in report.metrics.items() if value is not None},
        },
        system_attrs={},
        intermediate_values={},
    )


def _distribution(domain: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    assert isinstance(domain, Choice)
    return CategoricalDistribution(tuple(domain.options))
