"""The studies that a dashboard shows, by number, read again only when something was committed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from poptrain.results import Study
from poptrain.store.directory import StudyDirectory

__all__ = ["Shelf", "Signature"]

T = TypeVar("T")
Signature: TypeAlias = tuple[int, ...]

_LEAST_SECONDS = 1.0
"""A study is not read again sooner than this,"""

_REST = 10.0
"""nor sooner than this many times what the last reading took: looking leaves the machine to those who train."""

_DEPTH = 3
"""Folders inside of folders that are searched."""


@dataclass(slots=True)
class _Entry:
    """One study: as it was when it was last read, and what was made of it since."""

    directory: StudyDirectory
    lock: threading.Lock = field(default_factory=threading.Lock)
    signature: Signature = ()
    study: Study | None = None
    opened: float = 0.0
    seconds: float = 0.0
    made: dict[str, object] = field(default_factory=dict)

    def resting(self) -> bool:
        """Return whether it is too early to read the study again."""
        return time.monotonic() - self.opened < max(_LEAST_SECONDS, _REST * self.seconds)


class Shelf:
    """Studies under a folder, or a single one; numbers stay the same while the dashboard runs.

    Args:
        root: a study's folder, or a folder that holds studies at any place down to three levels.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entries: list[_Entry] = []
        self._lock = threading.Lock()
        self._searched = -float("inf")
        self.single = StudyDirectory(root).exists()
        self.search()

    def __len__(self) -> int:
        return len(self._entries)

    def search(self) -> None:
        """Look for studies that have been added, at most every five seconds."""
        with self._lock:
            if time.monotonic() - self._searched < 5.0:
                return
            self._searched = time.monotonic()
            known = {entry.directory.path for entry in self._entries}
            found = [self.root] if self.single else sorted(_studies(self.root, _DEPTH))
            self._entries += [_Entry(StudyDirectory(path)) for path in found if path not in known]

    def name(self, number: int) -> str:
        """Return a study's folder as it is shown: relative to the root."""
        path = self._entries[number].directory.path
        return path.name if path == self.root else str(path.relative_to(self.root))

    def signature(self, number: int) -> Signature:
        """Return what changes whenever something new can be read: after a commit, or when the study begins or stops to run.

        A study that was read a moment ago has nothing new until it may be read again.
        """
        entry = self._entries[number]
        directory = entry.directory
        if entry.study is not None and entry.resting():
            return entry.signature
        return (*_stamp(directory.journal), *_stamp(Path(f"{directory.journal}-wal")), int(directory.locked()))

    def signatures(self) -> tuple[Signature, ...]:
        """Return the signatures of all studies."""
        self.search()
        return tuple(self.signature(number) for number in range(len(self)))

    def make(self, number: int, what: str, of: Callable[[Study], T]) -> T:
        """Return something made of a study; the same again as long as nothing was committed.

        Args:
            number: 0 <= number < len(self).
            what: names the thing.
            of: makes it.

        Raises:
            StoreError: the study cannot be read.
        """
        entry = self._entries[number]
        with entry.lock:  # one reader at a time: what several ask for is made once
            study = self._study(entry, number)
            if what not in entry.made:
                began = time.monotonic()
                entry.made[what] = of(study)
                entry.seconds += time.monotonic() - began
            return entry.made[what]  # type: ignore[return-value]

    def _study(self, entry: _Entry, number: int) -> Study:
        signature = self.signature(number)
        if entry.study is None or signature != entry.signature:
            entry.signature = signature
            entry.study, entry.opened, entry.seconds, entry.made = Study.open(entry.directory.path), time.monotonic(), 0.0, {}
        return entry.study


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _studies(folder: Path, depth: int) -> list[Path]:
    """Return the folders of studies inside of a folder; links are not followed, and studies are not searched."""
    found = []
    try:
        children = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    for child in children:
        path = Path(child.path)
        if StudyDirectory(path).exists():
            found.append(path)
        elif depth > 1 and not child.name.startswith("."):
            found += _studies(path, depth - 1)
    return found
