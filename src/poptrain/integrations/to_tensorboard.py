"""TensorBoard's event files: a run for each member, its metrics and hyperparameters as curves over its steps."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from poptrain.core.errors import MissingExtra
from poptrain.core.values import Hparams
from poptrain.integrations.runs import Point
from poptrain.results import Study

__all__ = ["Events"]


class Events:
    """A folder with a folder of event files for each member.

    Args:
        study: what is written.
        where: the folder.
        kept: not used; event files are added to without knowing what is in them.

    Raises:
        MissingExtra: tensorboard is not installed.
    """

    def __init__(self, study: Study, where: Path, kept: MutableMapping[str, Any]) -> None:
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise MissingExtra("writing for TensorBoard", "tensorboard") from None
        self._where = where
        self._make = EventFileWriter
        self._writers: dict[str, Any] = {}

    def add(self, name: str, first: Hparams, points: Sequence[Point]) -> None:
        """Write a member's intervals."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if name not in self._writers:
            self._writers[name] = self._make(str(self._where / name))
        for point in points:
            values = [Summary.Value(tag=tag.replace(".", "/", 1), simple_value=v) for tag, v in point.values.items()]
            self._writers[name].add_event(Event(step=point.step, wall_time=point.seconds, summary=Summary(value=values)))

    def flush(self) -> None:
        """Write what is buffered."""
        for writer in self._writers.values():
            writer.flush()

    def finish(self, study: Study) -> None:
        """Write the held-out scores, in a run of their own."""
        if study.held_out is not None:
            found = {f"held_out.{name}": value for name, value in study.held_out.metrics.items() if value is not None}
            step = study.best.interval * study.config.interval_steps
            self.add("study", {}, [Point(step, study.config.created, found)])

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
