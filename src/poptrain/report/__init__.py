"""The report: a study's plots, and one page that shows them all. It needs plotly; nothing else of the project does."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import plotly.graph_objects as go

from poptrain.report.diversity import diversity
from poptrain.report.gains import gains
from poptrain.report.lineage import lineage
from poptrain.report.schedule import schedule
from poptrain.report.scores import scores
from poptrain.report.utilisation import utilisation
from poptrain.results import Study

__all__ = ["PLOTS", "Plot"]

Plot: TypeAlias = Callable[[Study], go.Figure]

PLOTS: Mapping[str, Plot] = {
    "scores": scores,
    "lineage": lineage,
    "schedule": schedule,
    "diversity": diversity,
    "gains": gains,
    "utilisation": utilisation,
}
"""Every plot by its name, in the order of the page."""
