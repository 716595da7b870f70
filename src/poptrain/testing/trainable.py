"""The contract of training code as a test class to inherit from."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from poptrain.core.rng import Keys
from poptrain.core.tree import difference, snapshot
from poptrain.core.values import Value
from poptrain.space import Space
from poptrain.store.tensorfile import read_state, write_state
from poptrain.trainable.bodies import BodySpec
from poptrain.trainable.contracts import UserCode
from poptrain.trainable.host import Host, HostSpec
from poptrain.trainable.work import Order

__all__ = ["TrainableContract"]


class TrainableContract:
    """Inherit, name your code and its space, and let pytest run it.

        class TestMyTraining(TrainableContract):
            train = staticmethod(train)          # a loop-form function, or a class-form class
            space = {"lr": pt.Float(1e-4, 1.0, log=True)}
            metric = "accuracy"
            steps = 3

    Each test trains a few intervals of `steps` steps of one or two members in this process.
    """

    train: ClassVar[Any]
    """The training code; wrap a function in `staticmethod`."""

    space: ClassVar[Mapping[str, Any]]
    """Its search space."""

    metric: ClassVar[str]
    """The metric that selects."""

    steps: ClassVar[int] = 2
    """Steps of an interval."""

    seed: ClassVar[int] = 0
    """Root of the random draws."""

    def test_save_load_step_equals_straight_step(self) -> None:
        """Restoring a saved member and training on gives the same bits as training on without a break."""
        with self._hosts(2) as (here, there), _folder() as folder:
            here.train(self._order(0, 0))
            here.save(0, folder / "state")
            there.load(0, folder / "state")
            straight = here.train(self._order(0, 1)).metrics
            restored = there.train(self._order(0, 1, init=1)).metrics
            self._same(here.state(0), there.state(0), "a restored member's next interval")
            assert straight == restored, f"the same state was scored {straight} and {restored}"

    def test_a_second_instance_loads_the_first_ones_state(self) -> None:
        """What one instance saves, another one takes over completely."""
        with self._hosts(2) as (here, there), _folder() as folder:
            here.train(self._order(0, 0))
            there.train(self._order(1, 0))
            here.save(0, folder / "first")
            there.load(1, folder / "first")
            here.train(self._order(0, 1))
            there.train(self._order(1, 1, like=0))
            self._same(here.state(0), there.state(1), "the state another instance took over")

    def test_an_interval_is_a_function_of_state_hyperparameters_and_seed(self) -> None:
        """Training the same member twice from its beginning gives the same bits."""
        with self._hosts(2) as (here, there):
            for host in (here, there):
                host.train(self._order(0, 0))
                host.train(self._order(0, 1))
            self._same(here.state(0), there.state(0), "a second run from the same seed")

    def test_a_copy_shares_nothing_with_its_donor(self) -> None:
        """Training a copy leaves the donor's state as it is."""
        with self._hosts(1) as (host,):
            host.train(self._order(0, 0))
            host.train(self._order(1, 0))
            host.copy([(1, 0)])
            before = snapshot(host.state(0))
            host.train(self._order(1, 1))
            self._same(before, host.state(0), "the donor's state after its copy was trained")

    def test_sharing_one_body_changes_nothing(self) -> None:
        """Two members that take turns in one body train as if each had its own."""
        with self._hosts(1) as (apart,), self._hosts(1, bodies=1) as (shared,):
            for interval in range(2):
                for member in range(2):
                    mine = apart.train(self._order(member, interval)).metrics
                    ours = shared.train(self._order(member, interval)).metrics
                    assert mine == ours, f"member {member} scored {mine} alone and {ours} in a shared body"
            for member in range(2):
                self._same(apart.state(member), shared.state(member), f"member {member} in a shared body")

    def _order(self, member: int, interval: int, *, init: int = 0, like: int | None = None) -> Order:
        keys = Keys(self.seed)
        source = member if like is None else like
        return Order(
            member=member,
            interval=interval,
            steps=self.steps,
            start=interval * self.steps,
            hparams=self._hparams(source, interval),
            seed=keys.integer("train", source, interval) & 0xFFFFFFFFFFFFFFFF,
            init_seed=keys.integer("init", member + 1000 * init) & 0xFFFFFFFFFFFFFFFF,
        )

    def _hparams(self, member: int, interval: int) -> dict[str, Value]:
        """Other hyperparameters in every interval, structural ones apart."""
        space = Space(self.space)
        sampled = dict(space.sample(Keys(self.seed).generator("contract", member, interval)))
        fixed = space.sample(Keys(self.seed).generator("contract", 0, 0))
        return {name: fixed[name] if name in space.structural else value for name, value in sampled.items()}

    def _hosts(self, count: int, bodies: int | None = None) -> _Hosts:
        space = Space(self.space)
        structural = tuple(space.structural)
        code: UserCode = type(self).train
        body = BodySpec(code, self.metric, frozenset(space.tuned) - frozenset(structural))
        return _Hosts([Host(HostSpec(body, structural, bodies, write_state, read_state)) for _ in range(count)])

    @staticmethod
    def _same(a: Any, b: Any, what: str) -> None:
        found = difference(a, b)
        assert found is None, (
            f"{what} differs: {found}. Put everything that the next step depends on into the state, draw random numbers from "
            f"the global generators or from interval.seed, and let load_state_dict copy what it is given"
        )


class _Hosts:
    """Hosts that are closed when the block ends."""

    def __init__(self, hosts: list[Host]) -> None:
        self._hosts = hosts

    def __enter__(self) -> list[Host]:
        return self._hosts

    def __exit__(self, *_: object) -> None:
        for host in self._hosts:
            host.close()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder, as a path."""
    with tempfile.TemporaryDirectory(prefix="poptrain-contract-") as name:
        yield Path(name)
