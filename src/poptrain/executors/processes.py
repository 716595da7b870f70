"""Warm worker processes on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cloudpickle

from poptrain.core.clock import Clock, SystemClock
from poptrain.core.errors import ConfigError, WorkerError
from poptrain.executors.base import Copy, Executor, Job
from poptrain.executors.deadlines import Deadline
from poptrain.executors.devices import visible_devices
from poptrain.executors.wire import ArrangeRequest, Batch, CopyRequest, Fatal, ForgetRequest, LoadRequest, Ready, SaveRequest
from poptrain.executors.workers import Worker
from poptrain.trainable.work import Broke, Done, Lost, Order, Outcome, Saved, SaveFailed

__all__ = ["Processes"]

_STARTS = 6
"""Workers in a row that may die before they are ready."""


class Processes(Executor):
    """Worker processes that start once, stay warm, and take over other states in place.

    A member stays with the worker that trained it last. A worker without work takes a member from a busy one where that
    member's state is in a file already.

    Args:
        workers: number of processes, >= 1.
        threads: threads of numeric libraries in each, >= 1; the number takes part in results to the last bit.
        devices: CUDA devices to hand out, one to a worker, in turn; None for all that this process may use.
        clock: the clock to go by.
        batched: every worker trains its members as one computation, and keeps them; takes the population form.
        block: then, the most rows of one computation; None lets free memory decide.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        threads: int = 1,
        devices: Sequence[str] | None = None,
        clock: Clock | None = None,
        batched: bool = False,
        block: int | None = None,
    ) -> None:
        if workers < 1:
            raise ConfigError(f"workers must be at least 1, got {workers}: pass workers=1")
        if threads < 1:
            raise ConfigError(f"threads must be at least 1, got {threads}: pass threads=1")
        self.batched = batched
        self.block = block if batched else 1
        self._count = workers
        self._threads = threads
        self._devices = visible_devices() if devices is None else list(devices)
        self._clock = clock or SystemClock()
        self._workers: list[Worker] = []
        self._queue: list[Order] = []
        self._outcomes: list[Outcome] = []
        self._home: dict[int, int] = {}  # member -> worker that has a body or state of it
        self._file: dict[int, str] = {}  # member -> file that holds its state, to be loaded before it trains
        self._safe: dict[int, str] = {}  # member -> file that holds the same state as its worker does
        self._asked: dict[int, str] = {}  # member -> file that will, once it is written
        self._loading: dict[int, str] = {}  # member -> file that its worker was told to load last
        self._saving: dict[str, int] = {}  # file -> worker that was asked to write it
        self._blocked: dict[int, str] = {}  # member -> file it waits for
        self._deadline = Deadline()
        self._starts = 0

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        return self._count

    @property
    def clock(self) -> Clock:
        """The system's clock, unless another one was given."""
        return self._clock

    def start(self, job: Job) -> None:
        """Start the workers; returns before they are ready."""
        self._clear()
        self._job = job
        self._deadline = Deadline(job.deadline)
        self._share = math.ceil(job.population / self._count)
        self._population = job.population
        try:
            self._setup = cloudpickle.dumps(job.host)
        except Exception as error:
            raise ConfigError(
                f"the training code cannot be sent to worker processes ({error}): keep locks, open files and running "
                f"objects out of it and make them inside the function, or pass executor='inline'"
            ) from error
        self._workers = [self._spawn(number) for number in range(self._count)]

    def advance(self, order: Order) -> None:
        """Queue the order; an idle worker takes it at once, or with all others of its block at the next `poll`."""
        self._queue.append(order)
        if not self.batched:
            self._dispatch()

    def save(self, member: int, path: str) -> None:
        """Ask the member's worker to write its state."""
        if path in self._saving:
            return
        if member in self._home and member not in self._file:
            worker = self._workers[self._home[member]]
            if not self._occupied(worker):
                worker.since = self._clock.monotonic()
            self._saving[path] = worker.number
            self._asked[member] = path
            worker.tell(SaveRequest(member, path))
        else:
            self._outcomes.append(SaveFailed(member=member, path=path, message="no worker has this state", full=False))

    def replace(self, copies: Sequence[Copy]) -> None:
        """Copy in place within a worker, through a file between workers."""
        void = {copy.member for copy in copies}
        self._queue = [order for order in self._queue if order.member not in void]
        here: dict[int, list[tuple[int, int]]] = {}
        sources: dict[int, str] = {}
        for copy in copies:
            donor_home = self._resident(copy.donor)
            if copy.donor is None or donor_home is None:
                sources[copy.member] = copy.path if copy.donor is None else self._file[copy.donor]
            elif self._home.get(copy.member) == donor_home:
                here.setdefault(donor_home, []).append((copy.member, copy.donor))
            else:
                sources[copy.member] = copy.path
                if not Path(copy.path).exists():
                    self.save(copy.donor, copy.path)
        for number, pairs in here.items():
            self._workers[number].tell(CopyRequest(pairs))
            for member, _ in pairs:
                self._source(member, "")
        for member, path in sources.items():
            if path:
                self._source(member, path)
            else:
                self._drop(member)
        if not self.batched:
            self._dispatch()

    def arrange(self, *, batched: bool, block: int | None) -> None:
        """Change how members of the population form are trained; they lose their states.

        Args:
            batched: whether every worker trains its members together.
            block: then, the most rows of a block.
        """
        self.batched = batched
        self.block = block if batched else 1
        self._home.clear()
        self._deadline = Deadline(self._job.deadline)
        for worker in self._workers:
            worker.tell(ArrangeRequest(self.block))

    def poll(self, timeout: float | None) -> list[Outcome]:
        """Wait for messages of the workers, and for deadlines."""
        self._dispatch()
        if not self._outcomes and (self._queue or self._saving or any(w.running for w in self._workers)):
            self._listen(timeout)
        self._kill_stuck()
        self._dispatch()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close(self, *, abandon: bool = False) -> None:
        """End the workers; without `abandon` each unwinds its bodies first."""
        for worker in self._workers:
            worker.close(abandon=abandon)
        for worker in self._workers:
            worker.join(abandon=abandon)
        self._clear()

    def _clear(self) -> None:
        """Forget the study before, whose files and orders must not reach the next one."""
        self._workers.clear()
        self._queue.clear()
        self._outcomes.clear()
        for places in (self._home, self._file, self._safe, self._asked, self._loading, self._saving, self._blocked):
            places.clear()
        self._starts = 0

    # Where states are.

    def _resident(self, member: int | None) -> int | None:
        """Return the worker whose memory holds a member's state."""
        return None if member is None or member in self._file else self._home.get(member)

    def _source(self, member: int, path: str) -> None:
        """Note that a member's state is in a file (or, for an empty path, in its worker again)."""
        self._moved(member)
        self._blocked.pop(member, None)
        if not path:
            self._file.pop(member, None)
            return
        self._file[member] = path
        if path in self._saving:
            self._blocked[member] = path

    def _drop(self, member: int) -> None:
        """Let a member have no state anywhere."""
        home = self._home.pop(member, None)
        self._file.pop(member, None)
        self._moved(member)
        self._blocked.pop(member, None)
        if home is not None:
            self._workers[home].tell(ForgetRequest([member]))

    def _moved(self, member: int) -> None:
        """Note that a member's state is about to be another one than any file holds that was written of it."""
        self._safe.pop(member, None)
        self._asked.pop(member, None)
        self._loading.pop(member, None)

    # Who does what.

    def _dispatch(self) -> None:
        if self.batched:
            for worker in self._workers:
                if worker.ready and not worker.orders:
                    self._send_batch(worker)
            return
        # While intervals are short, each worker has its next order at hand and does not wait for the controller.
        ahead = 2 if self._deadline.short else 1
        for depth in range(ahead):
            for worker in self._workers:
                if worker.ready and len(worker.orders) == depth and self._queue:
                    order = self._choose(worker.number, idle=depth == 0)
                    if order is not None:
                        self._queue.remove(order)
                        self._send_order(worker, order)

    def _choose(self, number: int, *, idle: bool) -> Order | None:
        """Return the order that a worker takes: one of its own; if idle, one that nobody has, or a busy worker's safe one."""
        free = [order for order in self._queue if order.member not in self._blocked]
        own = next((o for o in free if self._home.get(o.member) == number), None)
        if own is not None or not idle:
            return own
        residents = sum(home == number for home in self._home.values())
        if residents < self._share:
            homeless = next((o for o in free if o.member not in self._home), None)
            if homeless is not None:
                return homeless
        return next((o for o in free if self._movable(o.member)), None)

    def _movable(self, member: int) -> bool:
        home = self._home.get(member)
        return home is not None and self._workers[home].running is not None and (member in self._file or member in self._safe)

    def _send_batch(self, worker: Worker) -> None:
        """Send all orders of a worker's own members, once none of them waits for a file."""
        last = self._count - 1
        orders = [o for o in self._queue if min(o.member * self._count // self._population, last) == worker.number]
        if not orders or any(order.member in self._blocked for order in orders):
            return
        sent = {order.member for order in orders}
        self._queue = [order for order in self._queue if order.member not in sent]
        for order in orders:
            self._prepare(worker, order)
        worker.tell(Batch(orders))

    def _send_order(self, worker: Worker, order: Order) -> None:
        self._prepare(worker, order)
        worker.tell(order)

    def _prepare(self, worker: Worker, order: Order) -> None:
        """Let the order's member have its state in the worker that is about to train it."""
        member = order.member
        path = self._file.pop(member, "")
        home = self._home.get(member)
        if home is not None and home != worker.number:
            path = path or self._safe[member]
            self._workers[home].tell(ForgetRequest([member]))
        self._moved(member)
        self._home[member] = worker.number
        if path:
            self._loading[member] = path
            worker.tell(LoadRequest(member, path))
        if not worker.orders:
            worker.since = self._clock.monotonic()
        worker.orders.append(order)

    # The workers themselves.

    def _spawn(self, number: int) -> Worker:
        log = self._job.logs / f"worker-{number}.log"
        return Worker.spawn(number, self._setup, log, threads=self._threads, devices=self._devices)

    def _listen(self, timeout: float | None) -> None:
        patience = self._patience()
        if timeout is not None:
            patience = timeout if patience is None else min(patience, timeout)
        connections = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(connections), patience):
            self._read(connections[connection])  # type: ignore[index]

    def _read(self, worker: Worker) -> None:
        for message in worker.messages():
            if message is None:
                self._lost(worker, "lost", worker.obituary())
                return
            self._note(worker, message)

    def _note(self, worker: Worker, message: Any) -> None:
        if isinstance(message, Ready):
            worker.ready = True
            self._starts = 0
        elif isinstance(message, Fatal):
            raise WorkerError(
                f"worker {worker.number} could not take the training code: {message.message}; see {worker.log}\n"
                f"{message.traceback}"
            )
        elif isinstance(message, SaveFailed) and self._void(worker, message):
            return
        elif isinstance(message, (Saved, SaveFailed)):
            self._written(message)
        else:
            self._ended(worker, message)
        if not isinstance(message, Ready):
            self._outcomes.append(message)

    def _void(self, worker: Worker, failed: SaveFailed) -> bool:
        """Whether a file could not be loaded that nobody wants any more: going back to a commit deletes what came after it."""
        wanted = {self._loading.get(failed.member), *self._saving, *(order.save_to for order in worker.orders)}
        return failed.path not in wanted

    def _written(self, message: Saved | SaveFailed) -> None:
        writer = self._saving.pop(message.path, None)
        if writer is not None:
            self._workers[writer].since = self._clock.monotonic()
        if isinstance(message, Saved):
            self._blocked = {m: p for m, p in self._blocked.items() if p != message.path}
        if self._asked.get(message.member) == message.path:
            del self._asked[message.member]
            if isinstance(message, Saved):
                self._safe[message.member] = message.path

    def _ended(self, worker: Worker, message: Done | Broke) -> None:
        order = next((order for order in worker.orders if order.member == message.member), None)
        if order is None or message.interval < 0:
            return
        worker.orders.remove(order)
        now = self._clock.monotonic()
        self._deadline.note(now - worker.since)
        worker.since = now
        # After going back to a commit the member may have been given another state, or the same interval again.
        stays = self._home.get(order.member) == worker.number and order.member not in self._file
        again = any(later.member == order.member for later in worker.orders)
        if isinstance(message, Done) and message.saved >= 0 and stays and not again:
            self._safe[order.member] = order.save_to

    def _lost(self, worker: Worker, reason: str, detail: str) -> None:
        """Report a dead worker with all the states it had, and start another one in its place."""
        number = worker.number
        members = {m for m, home in self._home.items() if home == number and m not in self._file}
        never = {path for path, writer in self._saving.items() if writer == number}
        members |= {m for m, path in self._blocked.items() if path in never}
        order = worker.running
        members |= {sent.member for sent in worker.orders}
        worker.join(abandon=True)
        if not worker.ready:
            self._starts += 1
            if self._starts >= _STARTS:
                raise WorkerError(f"workers die before they are ready, {_STARTS} times now ({detail})")
        self._home = {m: home for m, home in self._home.items() if home != number}
        for path in never:
            del self._saving[path]
        for member in members:
            self._source(member, "")
        self._queue = [o for o in self._queue if o.member not in members]
        self._workers[number] = self._spawn(number)
        running = -1 if order is None else order.member
        if members or never:
            self._outcomes.append(
                Lost(
                    worker=number,
                    members=sorted(members),
                    running=running,
                    interval=-1 if order is None else order.interval,
                    reason=reason,
                    detail=detail,
                    files=sorted(never),
                    together=[(o.member, o.interval) for o in worker.orders] if self.batched else [],
                )
            )

    # Deadlines.

    def _occupied(self, worker: Worker) -> bool:
        return worker.running is not None or worker.number in self._saving.values()

    def _patience(self) -> float | None:
        """Return seconds until the next order or file is overdue; None where nobody has anything to do."""
        since = [worker.since for worker in self._workers if self._occupied(worker)]
        return max(0.0, min(since) + self._deadline.seconds - self._clock.monotonic()) if since else None

    def _kill_stuck(self) -> None:
        for worker in list(self._workers):
            seconds = self._clock.monotonic() - worker.since
            if self._occupied(worker) and seconds > self._deadline.seconds:
                self._lost(worker, "stuck", f"no progress for {seconds:.0f} s; see {worker.log}")
