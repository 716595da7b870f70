"""`poptrain status`: how far a study is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.summary import as_json as study_json
from poptrain.cli.summary import score_lines, standing_lines
from poptrain.cli.terminal import columns, number, say, say_json, table
from poptrain.core.report import fitness_of
from poptrain.results import MemberView, Study
from poptrain.results.diagnostics import diagnose
from poptrain.results.sparkline import number_text

__all__ = ["status"]

_MOST = 40
"""Members listed without --all; of larger populations the best ones are."""

_MOST_REPORTS = 50_000
"""Reports that are looked through for warnings unasked: about half a second's worth."""


def status(
    directory: StudyArgument,
    everybody: Annotated[
        bool, typer.Option("--all", help=f"List all members, however many; otherwise at most {_MOST}.")
    ] = False,
    warnings: Annotated[
        bool | None,
        typer.Option(
            help=f"Look for what is wrong, or do not; unasked, in studies of up to {_MOST_REPORTS:,} reports (seconds beyond).",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a study is, what it found so far, and every member; also while it runs."""
    study = Study.open(check_study(directory))
    members = _sorted(study)
    unasked = warnings is None and sum(member.interval for member in members) > _MOST_REPORTS
    found_wrong = [] if unasked or warnings is False else diagnose(study)
    if as_json:
        looked = None if unasked or warnings is False else [asdict(warning) for warning in found_wrong]
        found = {"members": [asdict(member) for member in members], "warnings": looked}
        say_json({**study_json(study), **found})
        return
    for line in [*standing_lines(study), "", *score_lines(study), ""]:
        say(line)
    shown = members if everybody else members[:_MOST]
    for line in _table(shown):
        say(line)
    if len(shown) < len(members):
        say(f"and {len(members) - len(shown)} more with lower ranks (--all lists them)")
    for warning in found_wrong:
        say(f"\nwarning ({warning.kind}): {warning.text}\n  {warning.remedy}")
    if unasked:
        say("\nwarnings were not looked for in so large a study: --warnings does, and so do the report and the dashboard")


def _sorted(study: Study) -> list[MemberView]:
    """Return the members from best to worst by their last score."""

    def key(member: MemberView) -> tuple[float, int]:
        fitness = fitness_of(member.score, study.config.mode)
        return (math.inf if math.isnan(fitness) else -fitness, member.member)

    return sorted(study.members(), key=key)


def _table(members: Sequence[MemberView]) -> list[str]:
    names = list(members[0].hparams)
    head = ["member", "interval", "selection score", "copies", *names]
    rows = [
        [
            f"m{m.member}",
            str(m.interval),
            number(m.score) if m.score is not None or not m.interval else "failed",
            str(m.copies),
            *(number_text(m.hparams.get(name)) for name in names),
        ]
        for m in members
    ]
    return table(head, rows, width=columns())
