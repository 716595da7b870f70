"""Group commit: which states reach the disk, and when the events that name them become durable."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from poptrain.core.clock import Clock
from poptrain.core.events import Event, Saved
from poptrain.core.values import Value
from poptrain.store.checkpoints import CheckpointStore, Ref, Sealed
from poptrain.store.journal import Journal

__all__ = ["Description", "Saver"]


@dataclass(frozen=True, slots=True)
class Description:
    """What a checkpoint's manifest says beside its hash."""

    score: float | None
    hparams: dict[str, Value]


@dataclass(slots=True)
class _Group:
    """Events on their way to the disk, the snapshot they lead to, and the states that must be there first."""

    events: list[tuple[Event, float]]
    snapshot: bytes
    refs: frozenset[Ref]
    seals: dict[Ref, Future[Sealed]] = field(default_factory=dict)


class Saver:
    """Keeps track of files and commits.

    A file is *requested*, then *written* (it holds a state but would not survive a power failure), then *sealed*. Events are
    buffered here; `freeze` takes them as a group, and `step` commits the group once all its states are sealed. At most one
    group is on its way.

    Args:
        journal: where events go.
        checkpoints: where states go.
        clock: tells how old the buffered events are.
    """

    def __init__(self, journal: Journal, checkpoints: CheckpointStore, clock: Clock) -> None:
        self._journal = journal
        self._checkpoints = checkpoints
        self._clock = clock
        self._events: list[tuple[Event, float]] = []
        self._oldest: float | None = None
        self._group: _Group | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="seal")
        self._described: dict[Ref, Description] = {}
        self.requested: set[Ref] = set()
        self.written: set[Ref] = set()
        self.sealed: set[Ref] = set()
        self.committed: frozenset[Ref] = frozenset()

    @property
    def busy(self) -> bool:
        """Whether a group is on its way."""
        return self._group is not None

    @property
    def empty(self) -> bool:
        """Whether no event is waiting."""
        return not self._events

    def age(self) -> float:
        """Return the seconds since the oldest event that is not yet in a group; 0 without any."""
        return 0.0 if self._oldest is None else self._clock.monotonic() - self._oldest

    def add(self, event: Event) -> None:
        """Buffer an event."""
        if self._oldest is None:
            self._oldest = self._clock.monotonic()
        self._events.append((event, self._clock.wall()))

    def describe(self, ref: Ref, description: Description) -> None:
        """Note what the manifest of a state will say."""
        self._described[ref] = description

    def on_file(self, ref: Ref) -> bool:
        """Return whether a file holds the state, or has been asked for."""
        return ref in self.written or ref in self.requested

    def note_written(self, ref: Ref) -> None:
        """Take note that a worker has written a file."""
        self.requested.discard(ref)
        self.written.add(ref)

    def freeze(self, snapshot: bytes, refs: Iterable[Ref]) -> None:
        """Make a group of all buffered events; every state in `refs` must be on file or asked for."""
        self._group = _Group(self._events, snapshot, frozenset(refs))
        known = self._group.refs | self.written | self.requested
        self._described = {ref: about for ref, about in self._described.items() if ref in known}
        self._events = []
        self._oldest = None

    def step(self) -> bool:
        """Carry the group on as far as it goes without waiting; return whether it was committed now.

        Raises:
            DiskFull, StoreError: a file could not be sealed, or the journal could not be written. Nothing committed is lost.
        """
        group = self._group
        if group is None:
            return False
        for ref in group.refs & self.written:
            if ref not in group.seals and ref not in self.sealed:
                group.seals[ref] = self._pool.submit(self._seal, ref)
        if not group.refs <= self.written or not all(future.done() for future in group.seals.values()):
            return False
        self._commit(group)
        return True

    def wait(self) -> None:
        """Wait until every seal that was begun is done."""
        if self._group is not None:
            for future in self._group.seals.values():
                future.exception()

    def collect(self, needed: set[Ref]) -> None:
        """Delete every file but those needed now, those of the last commit and those on their way."""
        keep = needed | self.committed | self.requested
        if self._group is not None:
            keep |= self._group.refs
        garbage = self.written - keep
        if garbage:
            self._checkpoints.delete(garbage)
            self.written -= garbage
            self.sealed -= garbage
            for ref in garbage:
                self._described.pop(ref, None)

    def drop(self) -> None:
        """Forget everything that is not committed, files too."""
        self.wait()
        self._group = None
        self._events = []
        self._oldest = None
        self.requested.clear()
        self.collect(set())

    def adopt(self, refs: Iterable[Ref], descriptions: dict[Ref, Description]) -> None:
        """Take the checkpoints of the last commit as written and sealed."""
        self.committed = frozenset(refs)
        self.written |= self.committed
        self.sealed |= self.committed
        self._described.update(descriptions)

    def close(self) -> None:
        """End the thread that seals."""
        self._pool.shutdown(wait=True)

    def _seal(self, ref: Ref) -> Sealed:
        about = self._described.get(ref, Description(None, {}))
        return self._checkpoints.seal(ref, score=about.score, hparams=about.hparams)

    def _commit(self, group: _Group) -> None:
        sealed = {ref: future.result() for ref, future in sorted(group.seals.items())}
        self.sealed |= set(sealed)
        for event, at in group.events:
            self._journal.append(event, at)
        for ref, seal in sealed.items():
            saved = Saved(member=ref.member, interval=ref.interval, digest=seal.digest, nbytes=seal.nbytes)
            self._journal.append(saved, self._clock.wall())
        self._journal.commit(group.snapshot)
        self.committed = group.refs
        self._group = None
