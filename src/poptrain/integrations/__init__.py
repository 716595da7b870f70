"""A study for the tools that people already use; each module needs its own package, imported when it is asked for."""

from poptrain.integrations.export import LIVE, TARGETS, export
from poptrain.integrations.following import Follower, follow

__all__ = ["LIVE", "TARGETS", "Follower", "export", "follow"]
