"""Baselines: what a population is to be compared with, on the same budget and through the same engine."""

from poptrain.baselines.bayesian import BayesianSearch
from poptrain.baselines.grid import GridSearch
from poptrain.baselines.halving import ASHA, SuccessiveHalving
from poptrain.baselines.manual import Manual
from poptrain.strategies.random_search import RandomSearch

__all__ = ["ASHA", "BayesianSearch", "GridSearch", "Manual", "RandomSearch", "SuccessiveHalving"]
