"""The engine: the only place where algorithm, executor and store meet."""

from poptrain.engine.loop import Ending, Engine
from poptrain.engine.plan import Plan
from poptrain.engine.progress import Observer, Progress

__all__ = ["Ending", "Engine", "Observer", "Plan", "Progress"]
