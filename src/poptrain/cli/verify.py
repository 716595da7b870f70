"""`poptrain verify`: whether a study is what it was when it was written."""

from __future__ import annotations

from poptrain.cli.options import AsJson, StudyArgument, check_study
from poptrain.cli.terminal import counted, labelled, say, say_json
from poptrain.results import Study

__all__ = ["verify"]


def verify(directory: StudyArgument, as_json: AsJson = False) -> None:
    """Check the journal and the hash of every checkpoint; print the study's digest.

    Synchronous studies with the same seed and code have the same digest, whatever machine or number of workers trained them.
    """
    study = Study.open(check_study(directory))
    checkpoints = study.verify()
    digest = study.digest()
    if as_json:
        say_json({"directory": str(study.directory), "whole": True, "checkpoints": checkpoints, "digest": digest})
        return
    for line in labelled([("whole", f"the journal and {counted(checkpoints, 'checkpoint')}"), ("digest", digest)]):
        say(line)
