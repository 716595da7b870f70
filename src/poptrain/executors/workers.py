"""One worker process, seen from the controller."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from poptrain.executors.devices import device_environment
from poptrain.executors.threads import thread_environment
from poptrain.executors.wire import CloseRequest, receive, send
from poptrain.trainable.work import Order

__all__ = ["Worker"]

_GRACE = 10.0
"""Seconds that a worker has to unwind its bodies before it is killed."""


@dataclass(slots=True)
class Worker:
    """A process, the pipe to it, and what it is doing.

    Args:
        number: its place among the workers, >= 0.
        process: the operating system's process.
        connection: this side of the pipe.
        log: file that takes its output.
        ready: whether it has said that it can work.
        orders: the order under way, and those sent ahead.
        since: reading of the clock at which the order under way began.
    """

    number: int
    process: subprocess.Popen[bytes]
    connection: Connection
    log: Path
    ready: bool = False
    orders: deque[Order] = field(default_factory=deque)
    since: float = 0.0

    @property
    def running(self) -> Order | None:
        """The order under way."""
        return self.orders[0] if self.orders else None

    @classmethod
    def spawn(cls, number: int, setup: bytes, log: Path, *, threads: int, devices: list[str]) -> Worker:
        """Start a process and send it what it needs; it will say Ready."""
        ours, theirs = Pipe()
        environment = {**os.environ, **thread_environment(threads), **device_environment(number, devices)}
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        arguments = [str(number), str(theirs.fileno()), str(os.getpid())]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "poptrain.executors.worker", *arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the controller alone
            )
        theirs.close()
        worker = cls(number, process, ours, log)
        with contextlib.suppress(OSError):
            ours.send_bytes(setup)
        return worker

    def tell(self, message: Any) -> None:
        """Send a message; silently nothing if the process is gone, which shows when it is read from."""
        with contextlib.suppress(OSError):
            send(self.connection, message)

    def messages(self) -> Iterator[Any]:
        """Yield what the worker has sent so far; None at the end if it is gone."""
        try:
            while self.connection.poll():
                yield receive(self.connection)
        except (EOFError, OSError):
            yield None

    def obituary(self) -> str:
        """Return how the process ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        code = self.process.returncode
        if code is None:
            return f"its pipe closed; see {self.log}"
        if code >= 0:
            return f"exit status {code}; see {self.log}"
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"killed by {name}{hint}; see {self.log}"

    def close(self, *, abandon: bool) -> None:
        """Ask the process to end, or kill it."""
        if abandon:
            self._kill()
        else:
            self.tell(CloseRequest())

    def join(self, *, abandon: bool) -> None:
        """Wait for the end; kill what does not end by itself, and what it has started."""
        try:
            if not abandon:
                self.process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            pass
        self._kill()
        self.process.wait()
        self.connection.close()

    def _kill(self) -> None:
        # The worker leads a session of its own: its group holds the data loaders it has started.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
