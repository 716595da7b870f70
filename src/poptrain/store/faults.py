"""A counted fault hook: kills the process, or fills the disk, at the N-th commit, fsync, rename or unlink.

The environment variable POPTRAIN_FAULT says what happens: `kill:N` ends the process by SIGKILL at point N, `full:N` lets
point N and all later ones fail as on a full disk, `count:FILE` writes the number of points to a file when the process ends.
Unset, a point costs one comparison. Tests use it to stop a study at every moment that matters; users can rehearse a crash.
"""

from __future__ import annotations

import atexit
import errno
import itertools
import os
import signal
from pathlib import Path

__all__ = ["point"]

_MODE, _, _ARGUMENT = os.environ.get("POPTRAIN_FAULT", "").partition(":")
_COUNTER = itertools.count(1)  # its next() is atomic, so that threads can share it
_LAST = [0]


def point(name: str) -> None:
    """Mark a moment at which a crash must do no harm; `name` says which, for a reader."""
    if not _MODE:
        return
    number = _LAST[0] = next(_COUNTER)
    if _MODE == "kill" and number == int(_ARGUMENT):
        os.kill(os.getpid(), signal.SIGKILL)
    if _MODE == "full" and number >= int(_ARGUMENT):
        raise OSError(errno.ENOSPC, f"No space left on device (made up at {name})")


def _write_count() -> None:
    Path(_ARGUMENT).write_text(str(_LAST[0]), encoding="utf-8")


if _MODE == "count":
    atexit.register(_write_count)
