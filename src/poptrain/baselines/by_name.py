"""Every way to choose hyperparameters, by the name that it has on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poptrain.baselines.bayesian import BayesianSearch
from poptrain.baselines.grid import GridSearch
from poptrain.baselines.halving import ASHA, SuccessiveHalving
from poptrain.strategies import BGPBT, MFPBT, PB2, PBT, FirePBT, Pairwise, RandomSearch, Restarts, Swarm

__all__ = ["ALGORITHMS", "SEARCHES"]

ALGORITHMS: Mapping[str, type[Any]] = {
    "pbt": PBT,
    "pb2": PB2,
    "bg-pbt": BGPBT,
    "mf-pbt": MFPBT,
    "fire-pbt": FirePBT,
    "restarts": Restarts,
    "pairwise": Pairwise,
    "swarm": Swarm,
    "random": RandomSearch,
    "grid": GridSearch,
    "bayesian": BayesianSearch,
    "halving": SuccessiveHalving,
    "asha": ASHA,
}
"""All of them can be made without arguments."""

SEARCHES = (RandomSearch, GridSearch, BayesianSearch, SuccessiveHalving, ASHA)
"""Those that never copy a member."""
