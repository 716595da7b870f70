"""Algorithms that model what hyperparameters do to the score, by a Gaussian process that forgets."""

from poptrain.strategies.gp.bg_pbt import BGPBT
from poptrain.strategies.gp.pb2 import PB2

__all__ = ["BGPBT", "PB2"]
