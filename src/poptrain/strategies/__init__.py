"""Strategies: who copies whom, and what the copy tries next."""

from poptrain.strategies import exploit, explore, recipes
from poptrain.strategies.base import Algorithm, Context
from poptrain.strategies.fire_pbt import FirePBT
from poptrain.strategies.gp import BGPBT, PB2
from poptrain.strategies.mf_pbt import MFPBT
from poptrain.strategies.particles import Pairwise, Swarm
from poptrain.strategies.pbt import PBT
from poptrain.strategies.random_search import RandomSearch
from poptrain.strategies.replay import Replay
from poptrain.strategies.restarts import Restarts

__all__ = [
    "BGPBT",
    "MFPBT",
    "PB2",
    "PBT",
    "Algorithm",
    "Context",
    "FirePBT",
    "Pairwise",
    "RandomSearch",
    "Replay",
    "Restarts",
    "Swarm",
    "exploit",
    "explore",
    "recipes",
]
