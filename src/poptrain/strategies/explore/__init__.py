"""Explore: what a copy changes in the hyperparameters it has taken over."""

from poptrain.strategies.explore.additive import Additive, additive
from poptrain.strategies.explore.base import Explore, changes
from poptrain.strategies.explore.chain import Chain, chain
from poptrain.strategies.explore.perturb import Perturb, perturb
from poptrain.strategies.explore.resample import Resample, resample

__all__ = [
    "Additive",
    "Chain",
    "Explore",
    "Perturb",
    "Resample",
    "additive",
    "chain",
    "changes",
    "perturb",
    "resample",
]
