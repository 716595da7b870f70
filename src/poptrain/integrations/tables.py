"""CSV and Parquet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.results import Study

__all__ = ["safe_cell", "write"]


def write(study: Study, to: str, where: Path) -> None:
    """Write one row for each interval of each member; columns as in `Study.to_pandas`."""
    if to == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise MissingExtra("Parquet files", "parquet") from None
        study.to_pandas().to_parquet(where)
        return
    rows = [_row(study, report) for report in study.reports()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with where.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writerow({name: safe_cell(name) for name in names})
        writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe.

    Example:
        >>> safe_cell("=1+1"), safe_cell(-1.5), safe_cell("adam")
        ("'=1+1", -1.5, 'adam')
    """
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _row(study: Study, report: Any) -> dict[str, Any]:
    return {
        "member": report.member,
        "interval": report.interval,
        "steps": report.interval * study.config.interval_steps,
        "selection_score": report.score,
        "worker": report.worker,
        "began": report.began,
        "ended": report.ended,
        **{f"metric.{name}": value for name, value in report.metrics.items()},
        **{f"hparam.{name}": value for name, value in report.hparams.items()},
    }
