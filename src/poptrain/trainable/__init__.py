"""What a user writes, and the bodies that run it: the loop, class and population forms, and their hosts."""

from poptrain.trainable.bindings import Bindings
from poptrain.trainable.contracts import Stateful, Trainable
from poptrain.trainable.hparams import TrackedHparams
from poptrain.trainable.member import Interval, Member
from poptrain.trainable.population import Block, PopulationInterval, PopulationTrainable

__all__ = [
    "Bindings",
    "Block",
    "Interval",
    "Member",
    "PopulationInterval",
    "PopulationTrainable",
    "Stateful",
    "TrackedHparams",
    "Trainable",
]
