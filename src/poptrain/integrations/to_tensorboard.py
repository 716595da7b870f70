"""TensorBoard's event files."""

from __future__ import annotations

from pathlib import Path

from poptrain.core.errors import MissingExtra
from poptrain.integrations.runs import runs_of
from poptrain.results import Study

__all__ = ["write"]


def write(study: Study, to: str, where: Path) -> None:
    """Write a folder with one run for each member: its metrics and hyperparameters as curves over its steps."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise MissingExtra("the export to TensorBoard", "tensorboard") from None
    for run in runs_of(study):
        writer = EventFileWriter(str(where / run.name))
        for point in run.points:
            values = [Summary.Value(tag=name.replace(".", "/", 1), simple_value=v) for name, v in point.values.items()]
            writer.add_event(Event(step=point.step, wall_time=point.seconds, summary=Summary(value=values)))
        writer.close()
