"""Checkpoints: immutable states, named by (member, interval), that exist once their manifest does."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from poptrain.core.errors import CheckpointError
from poptrain.core.values import Value
from poptrain.store.files import remove, sync, translated, write_whole
from poptrain.store.tensorfile import read_state

__all__ = ["CheckpointStore", "Manifest", "Ref", "Sealed"]

_FORMAT = 1
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The name of a state: the member that trained it, and the intervals it had completed then (>= 1)."""

    member: int
    interval: int

    @property
    def name(self) -> str:
        """The name of its files, without their endings."""
        return f"m{self.member:04d}-i{self.interval:06d}"

    @classmethod
    def of(cls, path: str | Path) -> Ref:
        """Return the state that a file is named after.

        Raises:
            ValueError: the file is named otherwise.
        """
        member, dash, interval = Path(path).stem.partition("-")
        if not dash or member[:1] != "m" or interval[:1] != "i":
            raise ValueError(f"{path} is not named like a checkpoint")
        return cls(int(member[1:]), int(interval[1:]))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A durable state: the SHA-256 of its file, in hexadecimal, and the file's bytes."""

    digest: str
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What stands beside a state's file; `own` is the SHA-256 of the manifest without it."""

    format: int
    member: int
    interval: int
    score: float | None
    hparams: dict[str, Value]
    digest: str
    nbytes: int
    own: str = ""

    def encode(self) -> bytes:
        """Return the manifest as JSON, with its own hash."""
        return msgspec.json.encode(self._signed())

    def intact(self) -> bool:
        """Return whether the manifest is as it was written."""
        return self._signed().own == self.own

    def _signed(self) -> Manifest:
        bare = msgspec.json.encode(replace(self, own=""))
        return replace(self, own=hashlib.sha256(bare).hexdigest())


class CheckpointStore:
    """The checkpoints of one study.

    A state's file may exist alone: it was written for a copy between workers, or is on its way to become a checkpoint. Only
    the manifest, which is written last, makes a checkpoint.

    Args:
        folder: where they lie; must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, ref: Ref) -> Path:
        """Return the file of a state."""
        return self._folder / f"{ref.name}.safetensors"

    def manifest_path(self, ref: Ref) -> Path:
        """Return the manifest's file."""
        return self._folder / f"{ref.name}.json"

    def seal(self, ref: Ref, *, score: float | None, hparams: Mapping[str, Value]) -> Sealed:
        """Make a written state durable: hash, fsync, manifest.

        Raises:
            DiskFull, StoreError: the disk refuses.
        """
        path = self.path(ref)
        sync(path)
        digest, nbytes = _hash(path)
        manifest = Manifest(
            format=_FORMAT,
            member=ref.member,
            interval=ref.interval,
            score=score,
            hparams=dict(hparams),
            digest=digest,
            nbytes=nbytes,
        )
        write_whole(self.manifest_path(ref), manifest.encode())
        return Sealed(digest, nbytes)

    def manifest(self, ref: Ref) -> Manifest:
        """Return a checkpoint's manifest.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        path = self.manifest_path(ref)
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except OSError as error:
            raise CheckpointError(f"the checkpoint manifest {path} cannot be read: {error.strerror or error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(f"the checkpoint manifest {path} is damaged: {error}") from error
        if manifest.format > _FORMAT:
            raise CheckpointError(f"the checkpoint {path} was written by a newer version of poptrain: upgrade poptrain")
        if not manifest.intact() or Ref(manifest.member, manifest.interval) != ref:
            raise CheckpointError(f"the checkpoint manifest {path} is damaged: its hash or its name does not fit")
        return manifest

    def verify(self, ref: Ref) -> Manifest:
        """Check a checkpoint against its manifest and return the manifest.

        Raises:
            CheckpointError: a file is missing, torn or altered.
        """
        manifest, path = self.manifest(ref), self.path(ref)
        try:
            digest, nbytes = _hash(path)
        except OSError as error:
            raise CheckpointError(f"the checkpoint {path} cannot be read: {error.strerror or error}") from error
        if nbytes != manifest.nbytes:
            raise CheckpointError(f"the checkpoint {path} is torn: {nbytes} bytes, {manifest.nbytes} were written")
        if digest != manifest.digest:
            raise CheckpointError(f"the checkpoint {path} was altered: its SHA-256 is {digest}, not {manifest.digest}")
        return manifest

    def load(self, ref: Ref, *, verify: bool = True) -> Any:
        """Return a checkpoint's state.

        Raises:
            CheckpointError: a file is missing, torn or altered.
        """
        if verify:
            self.verify(ref)
        return read_state(self.path(ref))

    def sealed(self) -> set[Ref]:
        """Return all checkpoints that exist."""
        found = set()
        for path in self._folder.glob("m*-i*.json"):
            with contextlib.suppress(ValueError):
                found.add(Ref.of(path))
        return found

    def nbytes(self) -> int:
        """Return the bytes of all files in the folder."""
        return sum(path.stat().st_size for path in self._folder.iterdir() if path.is_file())

    def delete(self, refs: Iterable[Ref]) -> None:
        """Delete states: manifests first, so that no checkpoint is ever half there."""
        for ref in sorted(refs):
            remove(self.manifest_path(ref))
            remove(self.path(ref))

    def delete_except(self, keep: set[Ref]) -> None:
        """Delete all states but some, and everything that a crash has left behind."""
        names = {path.name for ref in keep for path in (self.manifest_path(ref), self.path(ref))}
        with translated("listing", self._folder):
            found = sorted(path for path in self._folder.iterdir() if path.is_file() and path.name not in names)
        for path in sorted(found, key=lambda p: p.suffix != ".json"):
            remove(path)


def _hash(path: Path) -> tuple[str, int]:
    sha, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return sha.hexdigest(), size
