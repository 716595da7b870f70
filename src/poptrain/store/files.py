"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from poptrain.core.errors import DiskFull, StoreError
from poptrain.store.faults import point

__all__ = ["remove", "removed_on_failure", "sync", "sync_folder", "translated", "write_whole"]

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def translated(what: str, path: Path) -> Iterator[None]:
    """Turn an OSError into DiskFull or StoreError that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"{what} {path} failed, the disk is full: what was saved before is kept; free some room and resume"
            ) from error
        raise StoreError(f"{what} {path} failed: {error.strerror or error}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it is durable and whole, or not there at all."""
    temporary = path.with_name(path.name + ".tmp")
    with translated("writing", path), removed_on_failure(temporary):
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            point("before the fsync of a manifest")
            os.fsync(file.fileno())
        point("before the rename of a manifest")
        os.replace(temporary, path)
        point("after the rename of a manifest")
        sync_folder(path.parent)


@contextlib.contextmanager
def removed_on_failure(temporary: Path) -> Iterator[None]:
    """Leave no half-written file behind: on a full disk its room is needed."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with translated("syncing", path), path.open("rb") as file:
        point("before the fsync of a state")
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        point("before the fsync of a folder")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    with translated("removing", path):
        point("before an unlink")
        path.unlink(missing_ok=True)
