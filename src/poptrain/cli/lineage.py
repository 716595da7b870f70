"""`poptrain lineage`: who copied whom, and the line that won."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.terminal import columns, counted, say_json
from poptrain.results import Study
from poptrain.results.picture import Piece, Style, picture

__all__ = ["lineage"]

_STYLES: dict[Style, str] = {
    "plain": "",
    "label": "dim",
    "winning": "bold green",
    "best": "bold green",
    "copy": "yellow",
    "failed": "red",
    "other": "dim",
}
_MOST = 48
"""Rows without --all; of larger populations only the members on the winning line are drawn."""


def lineage(
    directory: StudyArgument,
    everybody: Annotated[bool, typer.Option("--all", help=f"Draw all members, even if they are more than {_MOST}.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw who copied whom: members down, intervals across, the line of weights that won in heavy strokes."""
    study = Study.open(check_study(directory))
    best = (study.best.member, study.best.interval) if study.scored else None
    if as_json:
        path = [] if best is None else study.lineage.ancestry(*best)
        line = [{"member": o.member, "first": o.first, "last": o.last} for o in path]
        say_json({**study.lineage.to_json(), "winning": line})
        return
    members = range(study.config.population)
    rows: Sequence[int] = members
    if len(members) > _MOST and not everybody:
        rows = sorted({o.member for o in study.lineage.ancestry(*best)})[:_MOST] if best else members[:_MOST]
    console = Console(file=sys.stdout, highlight=False, width=columns())
    for one in [*picture(study.lineage, best, width=columns(), members=rows), [], *_facts(study, len(rows))]:
        console.print(Text.assemble(*((text, _STYLES[style]) for text, style in one)), soft_wrap=True)


def _facts(study: Study, rows: int) -> list[list[Piece]]:
    """Return lines that say what the picture cannot show."""
    population = study.config.population
    today = f"today's {counted(population, 'member')} descend from {len(study.lineage.alive_ancestors())} of those that began"
    restarts = f", {counted(len(study.lineage.restarts), 'restart')}" if study.lineage.restarts else ""
    first = f"{counted(study.copies, 'copy', 'copies')}{restarts}; {today}"
    facts: list[list[Piece]] = [[(first, "plain")]]
    if rows < population:
        facts.append([(f"{population - rows} members off the winning line are not drawn (--all draws them)", "label")])
    return facts
