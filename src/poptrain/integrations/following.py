"""Writing a study for another tool while it runs.

The journal is read, never the training: whoever follows can begin late, stop, and go on, and cannot slow down or break what is
trained. Where it has come to is kept in a file beside what it writes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from poptrain.core.errors import ConfigError, MissingExtra, PoptrainError
from poptrain.core.events import Reported
from poptrain.integrations.export import LIVE, TARGETS, sink_of
from poptrain.integrations.runs import Sink, deliver
from poptrain.results import Study
from poptrain.store.directory import StudyDirectory
from poptrain.store.files import write_whole
from poptrain.store.journal import Journal

__all__ = ["Follower", "follow"]

_LOG = logging.getLogger(__name__)


class _Place(msgspec.Struct):
    """How far a follower has come: the last event it has handed over, and what its sink wants to find again."""

    seq: int = 0
    finished: bool = False
    kept: dict[str, Any] = {}


class Follower:
    """Hands what is committed to a study over to another tool.

    Args:
        directory: the study's folder; the study need not have begun.
        to: one of `LIVE`.
        where: file or folder; None for one inside of the study's folder. What a follower wrote is gone on with.

    Raises:
        ConfigError: the tool cannot be written for while a study runs, or something else is there already.
        MissingExtra: the tool's package is not installed.
    """

    def __init__(self, directory: Path, to: str, where: Path | None = None) -> None:
        if to not in LIVE:
            raise ConfigError(f"a study that runs is written for {', '.join(LIVE)}, got {to!r}")
        if find_spec(to) is None:
            raise MissingExtra(f"writing for {to}", to)
        self.directory, self._to = directory, to
        self.where = where if where is not None else directory / TARGETS[to][1]
        self._file = self.where.with_name(f"{self.where.name}.followed.json")
        if self.where.exists() and not self._file.exists():
            raise ConfigError(f"{self.where} is there already, from an export: remove it, or choose another place")
        self._place = msgspec.json.decode(self._file.read_bytes(), type=_Place) if self._file.exists() else _Place()
        self._sink: Sink | None = None

    def look(self) -> int:
        """Hand over what was committed since the last look; return the number of intervals."""
        if not StudyDirectory(self.directory).exists():
            return 0
        reports = self._new()
        if reports:
            study = Study.open(self.directory)
            deliver(study, reports, self._opened(study))
            self._opened(study).flush()
            self._save()
        return len(reports)

    def finish(self) -> None:
        """Hand over the rest, and what the study came to if it is finished."""
        try:
            self.look()
            if StudyDirectory(self.directory).exists() and not self._place.finished:
                study = Study.open(self.directory)
                if study.status == "finished":
                    self._opened(study).finish(study)
                    self._place.finished = True
                    self._save()
        finally:
            if self._sink is not None:
                self._sink.close()
                self._sink = None

    def _new(self) -> list[Reported]:
        journal = Journal.read_only(StudyDirectory(self.directory).journal)
        try:
            latest = journal.latest_snapshot()
            until = 0 if latest is None else latest[0]
            found = [(seq, event) for seq, _, event in journal.events(after=self._place.seq, kinds=(Reported,)) if seq <= until]
        finally:
            journal.close()
        if found:
            self._place.seq, self._place.finished = found[-1][0], False
        return [event for _, event in found if isinstance(event, Reported)]

    def _opened(self, study: Study) -> Sink:
        if self._sink is None:
            self.where.parent.mkdir(parents=True, exist_ok=True)
            self._sink = sink_of(self._to)(study, self.where, self._place.kept)
        return self._sink

    def _save(self) -> None:
        write_whole(self._file, msgspec.json.encode(self._place))


@contextlib.contextmanager
def follow(directory: str | Path, to: str, where: Path | None = None, *, every: float = 2.0) -> Iterator[Follower]:
    """Write a study for another tool while it is trained in this process.

    Should the tool fail, that is logged once, and the training goes on.

    Args:
        directory: the study's folder.
        to: "tensorboard", "mlflow" or "wandb".
        where: file or folder; None for one inside of the study's folder.
        every: seconds between two looks at the journal.

    Raises:
        ConfigError, MissingExtra: see `Follower`.

    Example:
        >>> import poptrain as pt
        >>> with follow("runs/mine", "tensorboard"):  # doctest: +SKIP
        ...     pt.tune(train, space, directory="runs/mine", metric="accuracy")
    """
    follower, over = Follower(Path(directory), to, where), threading.Event()
    thread = threading.Thread(target=_look_again, args=(follower, over, every), name=f"poptrain to {to}", daemon=True)
    thread.start()
    try:
        yield follower
    finally:
        over.set()
        thread.join()


def _look_again(follower: Follower, over: threading.Event, every: float) -> None:
    try:
        while not over.wait(every):
            follower.look()
        follower.finish()
    except PoptrainError as error:
        _LOG.warning("the study is not written for others any more: %s", error)
    except Exception:  # the other tool's, whatever it is
        _LOG.warning("the study is not written for others any more", exc_info=True)
