"""Strategies: who copies whom, and what the copy tries next."""

from poptrain.strategies import exploit, explore, recipes
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.pbt import PBT
from poptrain.strategies.random_search import RandomSearch
from poptrain.strategies.replay import Replay

__all__ = ["PBT", "Algorithm", "Context", "RandomSearch", "Replay", "exploit", "explore", "recipes"]
