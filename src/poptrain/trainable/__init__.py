"""What a user writes, and the bodies that run it: the loop form, the class form, and the host of both."""

from poptrain.trainable.bindings import Bindings
from poptrain.trainable.contracts import Stateful, Trainable
from poptrain.trainable.hparams import TrackedHparams
from poptrain.trainable.member import Interval, Member

__all__ = ["Bindings", "Interval", "Member", "Stateful", "TrackedHparams", "Trainable"]
