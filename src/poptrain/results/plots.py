"""Plots of a study, for notebooks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from poptrain.core.errors import MissingExtra

if TYPE_CHECKING:
    from poptrain.results.study import Study

__all__ = ["Plots"]


class Plots:
    """A study's plots, each as a plotly.graph_objects.Figure.

    They belong to a layer above this one, and need plotly; so both are loaded when the first plot is asked for.

    Args:
        study: whose.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def lineage(self) -> Any:
        """Return who copied whom: intervals across, members down, coloured by score, the line that won in bold."""
        return self._draw("lineage")

    def schedule(self) -> Any:
        """Return each hyperparameter along the line of weights that won, the population behind it."""
        return self._draw("schedule")

    def scores(self) -> Any:
        """Return the scores of all members, their best, median and worst, and those of the line that won."""
        return self._draw("scores")

    def diversity(self) -> Any:
        """Return how many ancestors are alive, and how far apart hyperparameters lie."""
        return self._draw("diversity")

    def gains(self) -> Any:
        """Return each hyperparameter against the gain in score over one interval."""
        return self._draw("gains")

    def utilisation(self) -> Any:
        """Return what each worker did over time."""
        return self._draw("utilisation")

    def _draw(self, name: str) -> Any:
        try:
            importlib.import_module("plotly.graph_objects")
        except ImportError:
            raise MissingExtra("plots", "report") from None
        made = importlib.import_module("poptrain.report").PLOTS[name](self._study)
        return importlib.import_module("poptrain.report.drawing").alone(made)
