"""Rows of a block: who has no order keeps its state, whatever becomes of the others."""

from __future__ import annotations

from typing import Any

import pytest
from flocks import Flock

import poptrain as pt
from poptrain.core.tree import difference, snapshot
from poptrain.store.tensorfile import read_state, write_state
from poptrain.trainable.blocks import Blocks
from poptrain.trainable.bodies import BodySpec, UserCodeFailed
from poptrain.trainable.host import HostSpec
from poptrain.trainable.work import Done, Order


class Falls(Flock):
    """Raises in the second interval, after its step."""

    def step(self, interval: pt.PopulationInterval) -> None:
        super().step(interval)
        if interval.starts[0] > 0:
            raise ValueError("the flock fell")


def order(member: int, interval: int) -> Order:
    return Order(
        member=member,
        interval=interval,
        steps=3,
        start=3 * interval,
        hparams={"pace": 0.5, "noise": 0.1},
        seed=100 * member + interval,
        init_seed=member,
    )


def train(blocks: Blocks, orders: list[Order]) -> list[Done]:
    return [done for group in blocks.split(orders) for done in blocks.train_block(group)]


def made(kind: Any) -> Blocks:
    return Blocks(HostSpec(BodySpec(kind, "height"), (), None, write_state, read_state, None))


@pytest.mark.parametrize("kind", [Flock, Falls])
def test_a_member_without_an_order_keeps_its_state(kind: type[Flock]) -> None:
    blocks = made(kind)
    train(blocks, [order(member, 0) for member in range(3)])
    before = snapshot(blocks.state(1))
    orders = [order(0, 1), order(2, 1)]
    if kind is Falls:
        with pytest.raises(UserCodeFailed, match="the flock fell"):
            train(blocks, orders)
    else:
        train(blocks, orders)
    assert difference(blocks.state(1), before) is None


def test_members_of_a_block_that_fell_begin_anew() -> None:
    blocks = made(Falls)
    first = {done.member: done.metrics for done in train(blocks, [order(member, 0) for member in range(3)])}
    with pytest.raises(UserCodeFailed, match="the flock fell"):
        train(blocks, [order(member, 1) for member in range(3)])
    assert {done.member: done.metrics for done in train(blocks, [order(member, 0) for member in range(3)])} == first
