"""The host: lets members train in the bodies of this process, and keeps the states of those that have no body.

A body is where training code runs; a member is a state that can live in any of them. While there is room each member keeps a
body of its own and nothing is copied between intervals. Where bodies are limited, a member without one takes over the body
that has been idle longest, whose state is swapped out to memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poptrain.core.tree import snapshot
from poptrain.core.values import Hparams, Value
from poptrain.trainable.bodies import Body, BodySpec, NoThread, Result, make_body
from poptrain.trainable.memory import RoomForBodies
from poptrain.trainable.work import Done, Order

__all__ = ["Host", "HostSpec", "StateReader", "StateWriter"]

StateWriter = Callable[[Path, Any], int]
StateReader = Callable[[Path], Any]


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host needs to know of the study.

    Args:
        body: the user's code and what every body has in common.
        structural: hyperparameters that change the shape of the state: the user's code is entered anew for another value.
        bodies: most bodies to keep at a time, >= 1; None lets free memory decide.
        write: writes a state to a file and returns its bytes.
        read: reads a state from a file.
        block: population form: most rows of a block, >= 1; None lets free memory decide.
    """

    body: BodySpec
    structural: tuple[str, ...]
    bodies: int | None
    write: StateWriter
    read: StateReader
    block: int | None = 1


@dataclass(slots=True)
class _Seat:
    """A body, who is inside, and the structural values it was entered with."""

    body: Body
    member: int
    structure: tuple[Value, ...]
    used: int


class Host:
    """Trains members, one interval at a time, in bodies of this process.

    Everything here runs user code in the calling thread's time: one interval at a time, nothing beside it.
    """

    def __init__(self, spec: HostSpec) -> None:
        self._spec = spec
        self._seats: dict[int, _Seat] = {}
        self._trees: dict[int, Any] = {}
        self._room = RoomForBodies(spec.bodies)
        self._turn = 0

    @property
    def bodies(self) -> int:
        """Number of bodies in this process."""
        return len(self._seats)

    def train(self, order: Order, worker: int = 0) -> Done:
        """Train one interval of one member.

        Raises:
            UserCodeFailed: the user's code raised. The member's body is gone, and its state with it.
        """
        began = time.time()
        try:
            result: Result = self._seat(order).body.run(order)
            self._room.measure()
            ended = time.time()
            saved = self.save(order.member, Path(order.save_to)) if order.save_to else -1
        except BaseException:
            self.forget([order.member])
            raise
        return Done(
            member=order.member,
            interval=order.interval + 1,
            epoch=order.epoch,
            metrics=result.metrics,
            began=began,
            ended=ended,
            evaluate_seconds=result.evaluate_seconds,
            worker=worker,
            saved=saved,
        )

    def state(self, member: int) -> Any:
        """Return the state of a member; it may share memory with living objects.

        Raises:
            KeyError: the member has no state here.
        """
        if member in self._trees:
            return self._trees[member]
        return self._seats[member].body.state()

    def save(self, member: int, path: Path) -> int:
        """Write a member's state to a file and return its bytes."""
        return self._spec.write(path, self.state(member))

    def load(self, member: int, path: Path) -> None:
        """Let a member go on from the state in a file."""
        self._trees[member] = self._spec.read(path)

    def copy(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Let each (member, donor) pair's member go on from its donor's state, all as they were before the first copy."""
        # A tree that is loaded belongs to the body (torch's optimisers keep the tensors they are given), so every
        # recipient gets arrays of its own.
        copies = [(member, snapshot(self.state(donor))) for member, donor in pairs]
        self._trees.update(copies)

    def forget(self, members: Iterable[int]) -> None:
        """Drop members with their states and bodies; one that trains again begins as a new member."""
        for member in members:
            self._trees.pop(member, None)
            seat = self._seats.pop(member, None)
            if seat is not None:
                seat.body.close()

    def close(self) -> None:
        """Unwind every body."""
        self.forget(list(self._seats))
        self._trees.clear()

    def _seat(self, order: Order) -> _Seat:
        """Return the member's seat with the member's state inside."""
        member = order.member
        structure = self._structure(order.hparams)
        seat = self._seats.get(member)
        if seat is not None and seat.structure != structure:
            self._swap_out(seat)
            seat.body.close()
            seat = None
        if seat is None:
            seat = self._take(order, structure)
        self._turn += 1
        seat.used = self._turn
        if member in self._trees:
            seat.body.load(self._trees.pop(member))
        return seat

    def _take(self, order: Order, structure: tuple[Value, ...]) -> _Seat:
        """Return a body for a member that has none: a new one while there is room, else the one idle longest."""
        if not self._room.allows(len(self._seats) + 1):
            oldest = min(self._seats.values(), key=lambda s: s.used)
            self._swap_out(oldest)
            # A new member's first state comes from entering the user's code anew.
            if order.member in self._trees and oldest.structure == structure:
                oldest.member = order.member
                self._seats[order.member] = oldest
                return oldest
            oldest.body.close()
        self._room.begin()
        try:
            body = make_body(self._spec.body, order)
        except NoThread:
            if not self._seats:
                raise
            self._room.settle(len(self._seats))
            return self._take(order, structure)
        seat = _Seat(body, order.member, structure, self._turn)
        self._seats[order.member] = seat
        return seat

    def _swap_out(self, seat: _Seat) -> None:
        """Take the member out of its seat, its state to memory."""
        if seat.member not in self._trees:
            self._trees[seat.member] = snapshot(seat.body.state())
        del self._seats[seat.member]

    def _structure(self, hparams: Hparams) -> tuple[Value, ...]:
        return tuple(hparams[name] for name in self._spec.structural)
