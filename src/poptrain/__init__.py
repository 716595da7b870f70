"""Population Based Training: a population of networks and their hyperparameters, trained together.

import poptrain as pt

def train(member: pt.Member) -> None:
    ...
    for interval in member.intervals():
        ...
        member.report(accuracy=...)

study = pt.tune(train, {"lr": pt.Float(1e-4, 1.0, log=True)}, metric="accuracy")
study.best.score, study.schedule, study.best.load()
"""

from poptrain.api import resume, tune
from poptrain.comparison import compare
from poptrain.core.errors import PoptrainError
from poptrain.core.version import __version__
from poptrain.executors import Executor, Inline, Processes, Simulated, Vectorised
from poptrain.results import Schedule, Study
from poptrain.space import Choice, Constant, Float, Int, Space, choice, loguniform, uniform
from poptrain.strategies import PBT, Algorithm, RandomSearch, exploit, explore
from poptrain.trainable import Bindings, Block, Interval, Member, PopulationInterval, PopulationTrainable, Trainable

__all__ = [
    "PBT",
    "Algorithm",
    "Bindings",
    "Block",
    "Choice",
    "Constant",
    "Executor",
    "Float",
    "Inline",
    "Int",
    "Interval",
    "Member",
    "PoptrainError",
    "PopulationInterval",
    "PopulationTrainable",
    "Processes",
    "RandomSearch",
    "Schedule",
    "Simulated",
    "Space",
    "Study",
    "Trainable",
    "Vectorised",
    "__version__",
    "choice",
    "compare",
    "exploit",
    "explore",
    "loguniform",
    "resume",
    "tune",
    "uniform",
]
