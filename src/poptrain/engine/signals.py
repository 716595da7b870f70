"""Ctrl-C: once to finish the intervals under way, twice to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

__all__ = ["Interrupts"]


class Interrupts:
    """Turns the first SIGINT or SIGTERM into a request; a second SIGINT raises KeyboardInterrupt as usual.

    Args:
        notify: called at the first one, inside the signal handler.

    Outside of the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self, notify: Callable[[], None] | None = None) -> None:
        self.requested = False
        self._notify = notify
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if self._notify is not None:
            self._notify()
