"""`poptrain schedule`: the hyperparameters that made the best member, step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.summary import logarithmic
from poptrain.cli.terminal import columns, counted, say
from poptrain.core.errors import ConfigError, StoreError
from poptrain.results import Study

__all__ = ["schedule"]


def schedule(
    directory: StudyArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: start_step, end_step, member, hyperparameters.")] = False,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to this file; .json and .csv choose the format.", show_default=False),
    ] = None,
) -> None:
    """Show the hyperparameters along the line of weights that led to the best checkpoint."""
    if as_csv and as_json:
        raise ConfigError("--csv and --json exclude each other: choose one")
    kind = "csv" if as_csv else "json" if as_json else "" if output is None else output.suffix.lstrip(".").lower()
    if output is not None and kind not in ("csv", "json"):
        raise ConfigError(f"the file is to end in .csv or .json, got {output}: name it so, or pass --csv or --json")
    text = _text(Study.open(check_study(directory)), kind)
    if output is None:
        say(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror or error}") from error


def _text(study: Study, kind: str) -> str:
    found = study.schedule
    if kind == "csv":
        return found.to_csv().rstrip("\n")
    if kind == "json":
        return json.dumps(found.to_json(), indent=1)
    if not found.spans:
        return found.render()
    names = max(len(name) for name in found.names)
    trainers = len({span.member for span in found.spans})
    changes = f"{counted(len(found.spans), 'span')}, trained by {counted(trainers, 'member')}"
    picture = found.render(logarithmic(study), width=min(80, max(20, columns() - names - 50)))
    return f"{found.steps} steps to the best checkpoint: {changes}\n\n{picture}"
