"""A study for the tools that people already use; each module needs its own package, imported when it is asked for."""

from poptrain.integrations.export import TARGETS, export

__all__ = ["TARGETS", "export"]
