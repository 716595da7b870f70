"""A study's folder: which files it holds, and who may write to them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from poptrain.core.errors import StoreError, StudyLocked
from poptrain.store.files import translated

__all__ = ["StudyDirectory"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class StudyDirectory:
    """The files of one study.

        study.sqlite   the journal
        checkpoints/   states and their manifests
        logs/          one file for each worker
        lock           held by the controller while it runs

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.path / "study.sqlite"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        """The folder of workers' logs."""
        return self.path / "logs"

    def exists(self) -> bool:
        """Return whether there is a study."""
        return self.journal.is_file()

    def create(self) -> None:
        """Make the folders that are missing.

        Raises:
            StoreError: the name has characters that are not allowed, or a file is in the way.
        """
        name = self.path.absolute().name
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"a study's folder is named with 1 to 64 letters, digits, dots, dashes and underscores, got {name!r}"
            )
        for folder in (self.path, self.checkpoints, self.logs):
            with translated("making", folder):
                folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the study for this process; the operating system lets go of it however the process ends.

        Raises:
            StudyLocked: another controller holds it; the message names its process.
        """
        with translated("opening", self.path / "lock"):
            file = (self.path / "lock").open("a+", encoding="utf-8")
        with file:
            if not _acquired(file):
                owner = self.owner() or "another process"
                raise StudyLocked(f"{self.path} is being run by {owner}: wait for it, or stop it first")
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    def locked(self) -> bool:
        """Return whether a controller runs the study now."""
        try:
            with (self.path / "lock").open("r", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def owner(self) -> str:
        """Return who holds the study, or held it last."""
        with contextlib.suppress(OSError):
            return (self.path / "lock").read_text(encoding="utf-8")
        return ""


def _acquired(file: TextIO) -> bool:
    """Try for the lock; `locked` of another process may hold it for a moment."""
    for attempt in range(5):
        if attempt:
            time.sleep(0.05)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
