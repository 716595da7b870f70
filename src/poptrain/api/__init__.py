"""The functions that a user calls: train a population, and take a study up again."""

from poptrain.api.resume import resume
from poptrain.api.tune import tune

__all__ = ["resume", "tune"]
