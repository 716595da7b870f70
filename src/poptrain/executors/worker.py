"""The worker process: takes orders from the controller's pipe and trains members in its bodies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import cloudpickle

from poptrain.executors.base import Copy
from poptrain.executors.local import AnyHost, copy_here, make_host, save_here, train_here, train_together
from poptrain.executors.wire import (
    ArrangeRequest,
    Batch,
    CloseRequest,
    CopyRequest,
    Fatal,
    ForgetRequest,
    LoadRequest,
    Ready,
    SaveRequest,
    receive,
    send,
)
from poptrain.trainable.blocks import Blocks
from poptrain.trainable.work import Order, Outcome

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the pipe whose file descriptor is the first argument until it closes."""
    number, descriptor, parent = (int(text) for text in sys.argv[1:4])
    _die_with(parent)
    connection = Connection(descriptor)
    try:
        host = make_host(cloudpickle.loads(connection.recv_bytes()))
        _limit_torch()
        send(connection, Ready(os.getpid()))
    except EOFError:
        return
    except BaseException as error:
        send(connection, Fatal(f"{type(error).__name__}: {error}", traceback.format_exc()))
        return
    serve(host, connection, number)


def serve(host: AnyHost, connection: Connection, number: int) -> None:
    """Carry out messages in their order until told to close, or until the controller is gone."""
    inbox: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True, name="listen").start()
    while True:
        message = inbox.get()
        if isinstance(message, CloseRequest):
            host.close()
            return
        for outcome in _carry_out(host, message, number):
            try:
                send(connection, outcome)
            except OSError:
                os._exit(0)


def _listen(connection: Connection, inbox: SimpleQueue[Any]) -> None:
    """Take messages off the pipe as they come.

    If the worker read only between its tasks, many messages would fill the pipe in one direction while their answers fill the
    other, and both sides would wait for each other.
    """
    message: Any = None
    while not isinstance(message, CloseRequest):
        try:
            message = receive(connection)
        except (EOFError, OSError):
            os._exit(0)  # nobody is left to train for; bodies may be anywhere
        inbox.put(message)


def _carry_out(host: AnyHost, message: Any, number: int) -> list[Outcome]:
    if isinstance(message, Order):
        return [train_here(host, message, number)]
    if isinstance(message, Batch):
        return train_together(host, message.orders, number)
    if isinstance(message, SaveRequest):
        return [save_here(host, message.member, message.path)]
    if isinstance(message, CopyRequest):
        return copy_here(host, [Copy(member, donor) for member, donor in message.pairs])
    if isinstance(message, LoadRequest):
        return copy_here(host, [Copy(message.member, None, message.path)])
    if isinstance(message, ForgetRequest):
        host.forget(message.members)
    if isinstance(message, ArrangeRequest) and isinstance(host, Blocks):
        host.arrange(message.block)
    return []


def _limit_torch() -> None:
    """Give torch the threads that the environment names; it reads the variable itself only where OpenMP is built in."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def _die_with(parent: int) -> None:
    """End this process when the controller dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="watch-controller").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


if __name__ == "__main__":
    main()
