"""What the two executors of this process share: a host, and a queue of things to do with it."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from poptrain.core.errors import DiskFull, PoptrainError
from poptrain.executors.base import Copy
from poptrain.trainable.bodies import UserCodeFailed, explain
from poptrain.trainable.host import Host
from poptrain.trainable.work import Broke, Done, Order, Outcome, Saved, SaveFailed

__all__ = ["broke", "copy_here", "save_here", "train_here"]


def broke(order: Order, failure: UserCodeFailed, worker: int) -> Broke:
    """Return the outcome of an order whose code raised."""
    return Broke(
        member=order.member,
        interval=order.interval,
        epoch=order.epoch,
        error=type(failure.error).__name__,
        message=explain(failure),
        traceback=failure.traceback,
        worker=worker,
    )


def train_here(host: Host, order: Order, worker: int) -> Done | Broke | SaveFailed:
    """Train one interval on `host` and return what became of it."""
    try:
        return host.train(order, worker)
    except UserCodeFailed as failure:
        return broke(order, failure, worker)
    except (OSError, PoptrainError) as error:
        return failed(order.member, order.save_to, error)


def save_here(host: Host, member: int, path: str) -> Saved | SaveFailed | Broke:
    """Write a member's state and return what became of it."""
    try:
        return Saved(member=member, path=path, nbytes=host.save(member, Path(path)))
    except UserCodeFailed as failure:
        return _broke_at_rest(member, failure)
    except (OSError, PoptrainError) as error:
        return failed(member, path, error)


def copy_here(host: Host, copies: Sequence[Copy]) -> list[Outcome]:
    """Make copies within one host; files are read where there is no donor."""
    outcomes: list[Outcome] = []
    try:
        host.copy([(c.member, c.donor) for c in copies if c.donor is not None])
    except UserCodeFailed as failure:
        outcomes.append(_broke_at_rest(copies[0].member, failure))
    for copy in copies:
        if copy.donor is not None:
            continue
        host.forget([copy.member])
        if copy.path:
            try:
                host.load(copy.member, Path(copy.path))
            except (OSError, PoptrainError) as error:
                outcomes.append(failed(copy.member, copy.path, error))
    return outcomes


def failed(member: int, path: str, error: Exception) -> SaveFailed:
    """Return the outcome of a file that could not be written or read."""
    full = isinstance(error, DiskFull) or getattr(error, "errno", None) == errno.ENOSPC
    return SaveFailed(member=member, path=path, message=str(error), full=full)


def _broke_at_rest(member: int, failure: UserCodeFailed) -> Broke:
    return Broke(
        member=member,
        interval=-1,
        epoch=-1,
        error=type(failure.error).__name__,
        message=explain(failure),
        traceback=failure.traceback,
    )
