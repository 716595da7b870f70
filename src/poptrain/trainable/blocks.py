"""The host of the population form: seats members in blocks and trains the rows of a block together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poptrain.core.errors import HyperparameterNotApplied, ReportError
from poptrain.core.rng import seed_everything
from poptrain.core.tree import snapshot
from poptrain.core.values import Hparams, Value
from poptrain.trainable.bodies import guarded
from poptrain.trainable.host import HostSpec
from poptrain.trainable.memory import rows_that_fit
from poptrain.trainable.metrics import as_metrics
from poptrain.trainable.population import Block, Columns, PopulationInterval, PopulationTrainable
from poptrain.trainable.work import Done, Order

__all__ = ["Blocks"]

_PROBED = 4
"""Rows of the block by which memory is measured; a population as small as this is not measured."""

Structure = tuple[Value, ...]


@dataclass(slots=True, eq=False)
class _Seats:
    """A block, made when it is first trained, and who sits in which row (-1: nobody)."""

    structure: Structure
    members: list[int]
    trainable: PopulationTrainable | None = None


@dataclass(slots=True)
class _Plan:
    """The orders of one call that share their structural hyperparameters."""

    structure: Structure
    orders: list[Order] = field(default_factory=list)


class Blocks:
    """Trains members of the population form in this process; the counterpart of `Host`.

    Members with the same structural hyperparameters sit in blocks of at most `spec.block` rows. Rows that have no order while
    the others of their block train are put back afterwards as they were.
    """

    def __init__(self, spec: HostSpec) -> None:
        self._spec = spec
        self._limit = spec.block
        self._measured = spec.block is not None
        self._seats: dict[int, _Seats] = {}
        self._trees: dict[int, Any] = {}

    @property
    def blocks(self) -> int:
        """Number of blocks in this process."""
        return len({id(seats) for seats in self._seats.values()})

    def arrange(self, block: int | None) -> None:
        """Change the most rows of a block, once nobody has a state here."""
        self.close()
        self._limit = block
        self._measured = block is not None

    # Training.

    def train(self, order: Order, worker: int = 0) -> Done:
        """Train one interval of one member."""
        (group,) = self.split([order])
        return self.train_block(group, worker)[0]

    def split(self, orders: Sequence[Order]) -> list[list[Order]]:
        """Seat everybody who has an order, and return the orders by block.

        Raises:
            UserCodeFailed: a state could not be taken out of its block.
        """
        plans: dict[Structure, _Plan] = {}
        for order in orders:
            structure = tuple(order.hparams[name] for name in self._spec.structural)
            plans.setdefault(structure, _Plan(structure)).orders.append(order)
        for plan in plans.values():
            self._leave_others(plan)
        groups: dict[int, list[Order]] = {}
        for plan in plans.values():
            self._seat(plan)
            for order in plan.orders:
                groups.setdefault(id(self._seats[order.member]), []).append(order)
        return list(groups.values())

    def train_block(self, orders: Sequence[Order], worker: int = 0) -> list[Done]:
        """Train one interval of members that `split` put into one group.

        Raises:
            UserCodeFailed: the user's code raised. The block is gone, and the states of those who had an order with it.
        """
        seats = self._seats[orders[0].member]
        began = time.time()
        resting: dict[int, Any] = {}
        try:
            metrics, seconds = guarded(lambda: self._run(seats, orders, resting))
            ended = time.time()
            saved = {o.member: self.save(o.member, Path(o.save_to)) for o in orders if o.save_to}
        except BaseException:
            self.forget([member for member in seats.members if member >= 0])
            self._trees.update(resting)
            raise
        remarks = [] if seats.trainable is None else list(seats.trainable.remarks())
        return [
            Done(
                member=order.member,
                interval=order.interval + 1,
                epoch=order.epoch,
                metrics=metrics[seats.members.index(order.member)],
                began=began,
                ended=ended,
                evaluate_seconds=seconds,
                worker=worker,
                saved=saved.get(order.member, -1),
                remarks=remarks,
            )
            for order in orders
        ]

    def _run(self, seats: _Seats, orders: Sequence[Order], resting: dict[int, Any]) -> tuple[list[dict[str, float]], float]:
        """Train a block; the states of members without an order are noted in `resting`, and put back afterwards."""
        trainable = self._awake(seats, orders)
        by_member = {order.member: order for order in orders}
        rows = [by_member.get(member, orders[0]) for member in seats.members]
        for row, member in enumerate(seats.members):
            if member >= 0 and member not in by_member:
                resting[member] = snapshot(trainable.state_dict(row))
        busy = {row: rows[row].hparams for row, member in enumerate(seats.members) if member in by_member}
        columns = Columns([order.hparams for order in rows])
        trainable.configure(columns)
        _compare(trainable, busy, "right after configure")
        seed_everything(rows[0].seed)
        starts, seeds = tuple(o.start for o in rows), tuple(o.seed for o in rows)
        trainable.step(PopulationInterval(orders[0].steps, starts, seeds))
        _compare(trainable, busy, "after the interval's steps")
        began = time.perf_counter()
        metrics = _by_row(trainable.evaluate(), len(rows), self._spec.body.metric)
        seconds = time.perf_counter() - began
        idle_names = columns.unread(self._spec.body.tuned)
        if idle_names:
            raise HyperparameterNotApplied(
                f"hyperparameter {', '.join(sorted(idle_names))} was not read during the interval, so tuning it has no effect: "
                f"read it in configure, declare it structural=True if only the construction needs it, or take it out"
            )
        for member, tree in resting.items():
            trainable.load_state_dict(seats.members.index(member), tree)
        return metrics, seconds

    def _awake(self, seats: _Seats, orders: Sequence[Order]) -> PopulationTrainable:
        """Return the block's trainable, made if need be, with everybody's state in it."""
        if seats.trainable is None:
            inits = {order.member: order.init_seed for order in orders}
            seeds = [inits.get(member, orders[0].init_seed) for member in seats.members]
            seats.trainable = self._make(seats.structure, seeds)
        for row, member in enumerate(seats.members):
            if member in self._trees:
                seats.trainable.load_state_dict(row, self._trees.pop(member))
        return seats.trainable

    def _make(self, structure: Structure, seeds: Sequence[int]) -> PopulationTrainable:
        seed_everything(seeds[0])
        train: Any = self._spec.body.train
        made: PopulationTrainable = train(Block(tuple(seeds), dict(zip(self._spec.structural, structure, strict=True))))
        return made

    # Seats.

    def _leave_others(self, plan: _Plan) -> None:
        """Let members whose structural hyperparameters have changed leave their blocks, with their states."""
        for order in plan.orders:
            seats = self._seats.get(order.member)
            if seats is not None and seats.structure != plan.structure:
                self._stand_up(order.member)

    def _seat(self, plan: _Plan) -> None:
        """Give a seat to everybody who has none; blocks of this structure are made anew where there are not enough rows."""
        standing = [order.member for order in plan.orders if order.member not in self._seats]
        mine = [seats for seats in self._all() if seats.structure == plan.structure]
        free = [(seats, row) for seats in mine for row, member in enumerate(seats.members) if member < 0]
        if not standing:
            return
        if len(standing) == len(free) and all(member in self._trees for member in standing):
            for member, (seats, row) in zip(standing, free, strict=True):
                seats.members[row] = member
                self._seats[member] = seats
            return
        together = sorted({m for seats in mine for m in seats.members if m >= 0} | set(standing))
        if self._limit != 1:
            for member in together:
                self._stand_up(member)
        else:
            together = sorted(standing)
        self._measure(plan, len(together))
        size = len(together) if self._limit is None else min(self._limit, len(together))
        blocks = math.ceil(len(together) / size)
        for part in np.array_split(np.array(together), blocks):
            made = _Seats(plan.structure, [int(member) for member in part])
            self._seats.update(dict.fromkeys(made.members, made))

    def _measure(self, plan: _Plan, rows: int) -> None:
        """Find out, once, how many rows fit the memory."""
        if self._measured or rows <= _PROBED:
            return
        self._measured = True
        orders = [plan.orders[0]] * _PROBED

        def train() -> PopulationTrainable:
            made = self._make(plan.structure, [order.init_seed for order in orders])
            made.configure(Columns([order.hparams for order in orders]))
            made.step(PopulationInterval(1, (0,) * _PROBED, (orders[0].seed,) * _PROBED))
            made.evaluate()
            return made

        self._limit = guarded(lambda: rows_that_fit(_PROBED, train))

    def _stand_up(self, member: int) -> None:
        """Take a member out of its seat, its state to memory."""
        seats = self._seats.pop(member, None)
        if seats is None:
            return
        row = seats.members.index(member)
        if member not in self._trees and seats.trainable is not None:
            trainable = seats.trainable
            self._trees[member] = snapshot(guarded(lambda: trainable.state_dict(row)))
        self._vacate(seats, row)

    def _vacate(self, seats: _Seats, row: int) -> None:
        seats.members[row] = -1
        if seats.trainable is not None and all(member < 0 for member in seats.members):
            seats.trainable.close()

    def _all(self) -> list[_Seats]:
        return list({id(seats): seats for seats in self._seats.values()}.values())

    # States.

    def state(self, member: int) -> Any:
        """Return the state of a member; it may share memory with its block.

        Raises:
            KeyError: the member has no state here.
        """
        if member in self._trees:
            return self._trees[member]
        seats = self._seats[member]
        if seats.trainable is None:
            raise KeyError(member)
        trainable = seats.trainable
        return guarded(lambda: trainable.state_dict(seats.members.index(member)))

    def save(self, member: int, path: Path) -> int:
        """Write a member's state to a file and return its bytes."""
        return self._spec.write(path, self.state(member))

    def load(self, member: int, path: Path) -> None:
        """Let a member go on from the state in a file."""
        self._trees[member] = self._spec.read(path)

    def copy(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Let each (member, donor) pair's member go on from its donor's state, all as they were before the first copy."""
        inside: dict[int, tuple[list[int], list[int]]] = {}
        across: dict[int, Any] = {}
        for member, donor in pairs:
            seats = self._seats.get(member)
            if (
                seats is not None
                and seats is self._seats.get(donor)
                and seats.trainable is not None
                and donor not in self._trees
            ):
                donors, recipients = inside.setdefault(id(seats), ([], []))
                donors.append(seats.members.index(donor))
                recipients.append(seats.members.index(member))
            else:
                across[member] = snapshot(self.state(donor))
        for seats in self._all():
            if id(seats) in inside and seats.trainable is not None:
                trainable, (donors, recipients) = seats.trainable, inside[id(seats)]
                guarded(lambda t=trainable, d=donors, r=recipients: t.copy(d, r))  # type: ignore[misc]
        for member, _ in pairs:
            self._trees.pop(member, None)
        self._trees.update(across)

    def forget(self, members: Iterable[int]) -> None:
        """Drop members with their states; one that trains again begins as a new member."""
        for member in members:
            self._trees.pop(member, None)
            seats = self._seats.pop(member, None)
            if seats is not None:
                self._vacate(seats, seats.members.index(member))

    def close(self) -> None:
        """Drop everything."""
        self.forget(list(self._seats))
        self._trees.clear()


def _compare(trainable: PopulationTrainable, busy: Mapping[int, Hparams], when: str) -> None:
    """Raise if a row's hyperparameter in force is another one than the study's."""
    for name, column in trainable.effective().items():
        for row, hparams in busy.items():
            found, want = column[row], hparams[name]
            plain = found.item() if hasattr(found, "item") else found
            same = plain == want or (isinstance(want, (int, float)) and math.isclose(plain, want, rel_tol=1e-6, abs_tol=1e-12))
            if not same:
                raise HyperparameterNotApplied(
                    f"hyperparameter {name!r} is {want!r} in the study, but {when} {plain!r} is in force in row {row}: "
                    f"let configure write it to every place where it acts"
                )


def _by_row(reported: Any, rows: int, metric: str) -> list[dict[str, float]]:
    """Return every row's metrics by name.

    Raises:
        ReportError: there are not as many numbers as rows.
    """
    columns = reported if isinstance(reported, Mapping) else {metric: reported}
    plain: dict[str, Any] = {}
    for name, column in columns.items():
        values = column.tolist() if hasattr(column, "tolist") else list(column)
        if not isinstance(values, list) or len(values) != rows:
            raise ReportError(f"evaluate must return {rows} numbers for {name!r}, one for each row, got {column!r}")
        plain[str(name)] = values
    return [as_metrics({name: values[row] for name, values in plain.items()}, metric) for row in range(rows)]
