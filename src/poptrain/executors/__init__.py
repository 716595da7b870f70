"""Executors: where members train. One contract, six verbs, several ways to keep it."""

from poptrain.executors.base import Copy, Executor, Job
from poptrain.executors.inline import Inline
from poptrain.executors.processes import Processes
from poptrain.executors.simulated import Simulated
from poptrain.executors.vectorised import Vectorised

__all__ = ["Copy", "Executor", "Inline", "Job", "Processes", "Simulated", "Vectorised"]
