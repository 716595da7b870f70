"""Messages between the controller and its workers: dataclasses as MessagePack, each with the name of its class."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from poptrain.trainable.work import Broke, Done, Lost, Order, Saved, SaveFailed

__all__ = [
    "ArrangeRequest",
    "Batch",
    "CloseRequest",
    "CopyRequest",
    "Fatal",
    "ForgetRequest",
    "LoadRequest",
    "Ready",
    "SaveRequest",
    "receive",
    "send",
]


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """Write the state of `member` to `path`."""

    member: int
    path: str


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """Copy states among members of this worker, (member, donor) each, from states as they are before the first."""

    pairs: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Let `member` go on from the state in `path`."""

    member: int
    path: str


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """Drop these members."""

    members: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Train these members' intervals together."""

    orders: list[Order]


@dataclass(frozen=True, slots=True)
class ArrangeRequest:
    """Drop all members; from now on a block has at most so many rows (None: as many as fit the memory)."""

    block: int | None


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Unwind everything and exit."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has the user's code and waits for work."""

    pid: int


@dataclass(frozen=True, slots=True)
class Fatal:
    """The worker cannot do anything; `traceback` says why."""

    message: str
    traceback: str


_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Order, Batch, ArrangeRequest, SaveRequest, CopyRequest, LoadRequest, ForgetRequest, CloseRequest),
        *(Ready, Fatal, Done, Broke, Saved, SaveFailed, Lost),
    )
}
_DECODERS = {name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()}
_ENVELOPE = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_ENCODER = msgspec.msgpack.Encoder()


def send(connection: Connection, message: Any) -> None:
    """Send one message.

    Raises:
        OSError: the other side is gone.
    """
    connection.send_bytes(_ENCODER.encode((type(message).__name__, message)))


def receive(connection: Connection) -> Any:
    """Wait for one message and return it.

    Raises:
        EOFError: the other side is gone.
    """
    name, raw = _ENVELOPE.decode(connection.recv_bytes())
    return _DECODERS[name].decode(raw)
