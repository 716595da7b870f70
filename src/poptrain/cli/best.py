"""`poptrain best`: the best member and its scores."""

from __future__ import annotations

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.summary import as_json as study_json
from poptrain.cli.summary import result_lines
from poptrain.cli.terminal import say, say_json
from poptrain.results import Study

__all__ = ["best"]


def best(directory: StudyArgument, as_json: AsJson = False) -> None:
    """Show the best checkpoint: selection score, held-out score, hyperparameters, schedule, file."""
    study = Study.open(check_study(directory))
    if as_json:
        found = study_json(study)
        say_json({name: found[name] for name in ("name", "status", "metric", "mode", "best", "held_out")})
        return
    for line in result_lines(study):
        say(line)
