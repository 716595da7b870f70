"""What the two executors of this process share: a host, and a queue of things to do with it."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from poptrain.core.errors import DiskFull, PoptrainError, StateError
from poptrain.executors.base import Copy
from poptrain.trainable.blocks import Blocks
from poptrain.trainable.bodies import UserCodeFailed, explain
from poptrain.trainable.host import Host, HostSpec
from poptrain.trainable.population import is_population_form
from poptrain.trainable.work import Broke, Done, Order, Outcome, Saved, SaveFailed

__all__ = ["AnyHost", "broke", "copy_here", "make_host", "save_here", "train_here", "train_together"]

AnyHost: TypeAlias = Host | Blocks


def make_host(spec: HostSpec) -> AnyHost:
    """Return the host of the user's kind of training code."""
    return Blocks(spec) if is_population_form(spec.body.train) else Host(spec)


def broke(order: Order, failure: UserCodeFailed, worker: int) -> Broke:
    """Return the outcome of an order whose code raised."""
    return _broke(failure, member=order.member, interval=order.interval, epoch=order.epoch, worker=worker)


def train_here(host: AnyHost, order: Order, worker: int) -> Done | Broke | SaveFailed:
    """Train one interval on `host` and return what became of it."""
    try:
        return host.train(order, worker)
    except UserCodeFailed as failure:
        return broke(order, failure, worker)
    except (OSError, PoptrainError) as error:
        return failed(order.member, order.save_to, error)


def train_together(host: AnyHost, orders: Sequence[Order], worker: int) -> list[Outcome]:
    """Train one interval of several members, as one computation for every block of them."""
    if isinstance(host, Host):
        return [train_here(host, order, worker) for order in orders]
    try:
        groups = host.split(orders)
    except UserCodeFailed as failure:
        return [broke(order, failure, worker) for order in orders]
    return [outcome for group in groups for outcome in _train_block(host, group, worker)]


def _train_block(host: Blocks, orders: Sequence[Order], worker: int) -> list[Outcome]:
    try:
        return list(host.train_block(orders, worker))
    except UserCodeFailed as failure:
        return [broke(order, failure, worker) for order in orders]
    except (OSError, PoptrainError) as error:
        return [failed(orders[0].member, orders[0].save_to, error)]


def save_here(host: AnyHost, member: int, path: str) -> Saved | SaveFailed | Broke:
    """Write a member's state and return what became of it."""
    try:
        return Saved(member=member, path=path, nbytes=host.save(member, Path(path)))
    except UserCodeFailed as failure:
        return _broke_at_rest(member, failure)
    except (OSError, PoptrainError) as error:
        return failed(member, path, error)


def copy_here(host: AnyHost, copies: Sequence[Copy]) -> list[Outcome]:
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
    return SaveFailed(member=member, path=path, message=str(error), full=full, refused=isinstance(error, StateError))


def _broke_at_rest(member: int, failure: UserCodeFailed) -> Broke:
    return _broke(failure, member=member, interval=-1, epoch=-1)


def _broke(failure: UserCodeFailed, *, member: int, interval: int, epoch: int, worker: int = 0) -> Broke:
    return Broke(
        member=member,
        interval=interval,
        epoch=epoch,
        error=type(failure.error).__name__,
        message=_printable(explain(failure)),
        traceback=_printable(failure.traceback),
        worker=worker,
        contract=failure.contract,
    )


def _printable(text: str) -> str:
    """Return text that any pipe and file can hold: names of files may bring halves of characters along."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
