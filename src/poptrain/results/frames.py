"""A study as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.core.events import Reported
from poptrain.core.values import Value

__all__ = ["frame_of"]


def frame_of(reports: Iterable[Reported], interval_steps: int) -> Any:
    """Return a pandas.DataFrame with one row for each report; see `Study.to_pandas`.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingExtra("DataFrames", "pandas") from None
    rows = [_row(report, interval_steps) for report in reports]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=list(_FIXED))


_FIXED = ("member", "interval", "steps", "selection_score", "worker", "began", "ended")


def _row(report: Reported, interval_steps: int) -> dict[str, Value]:
    fixed = (
        report.member,
        report.interval,
        report.interval * interval_steps,
        report.score,
        report.worker,
        report.began,
        report.ended,
    )
    return {
        **dict(zip(_FIXED, fixed, strict=True)),
        **{f"metric.{name}": value for name, value in report.metrics.items()},
        **{f"hparam.{name}": value for name, value in report.hparams.items()},
    }
