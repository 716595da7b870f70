"""One contract, every executor: a new one is a new row of the table."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from toys import Walker, walk

from poptrain.core.clock import ManualClock
from poptrain.core.errors import ConfigError
from poptrain.core.tree import difference
from poptrain.executors import Copy, Executor, Inline, Job, Processes, Simulated, deadlines
from poptrain.executors.devices import device_environment, visible_devices
from poptrain.store.tensorfile import read_state, write_state
from poptrain.trainable.bodies import BodySpec
from poptrain.trainable.host import HostSpec
from poptrain.trainable.work import Broke, Done, Lost, Order, Outcome, Saved, SaveFailed


class Sleeper(Walker):
    """Takes a hundredth of a second for a step."""

    def step(self, steps: int) -> None:
        super().step(steps)
        time.sleep(0.01 * steps)


MAKERS: dict[str, Callable[[], Executor]] = {
    "inline": Inline,
    "simulated": lambda: Simulated(workers=2),
    "processes": lambda: Processes(workers=2),
}


def job(folder: Path, train: Any = walk, bodies: int | None = None, population: int = 4) -> Job:
    host = HostSpec(BodySpec(train, "score", frozenset({"pace"})), (), bodies, write_state, read_state)
    return Job(host, population, folder / "logs")


@pytest.fixture(params=MAKERS)
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    made = MAKERS[request.param]()
    made.start(job(tmp_path))
    yield made
    made.close()


def order(member: int, interval: int, *, epoch: int = 0, save_to: str = "", seed: int | None = None) -> Order:
    return Order(
        member=member,
        interval=interval,
        steps=3,
        start=3 * interval,
        hparams={"pace": 1.0 + member},
        seed=1000 * member + interval if seed is None else seed,
        init_seed=77 + member,
        epoch=epoch,
        save_to=save_to,
    )


def collect(executor: Executor, count: int, kind: type[Any] = Done) -> list[Any]:
    found: list[Outcome] = []
    end = time.monotonic() + 30
    while sum(isinstance(o, kind) for o in found) < count:
        assert time.monotonic() < end, found
        found += executor.poll(1.0)
    return [o for o in found if isinstance(o, kind)]


def scores(outcomes: list[Done]) -> dict[tuple[int, int], float]:
    return {(done.member, done.interval): done.metrics["score"] for done in outcomes}


def reference() -> dict[tuple[int, int], float]:
    inline = Inline()
    inline.start(job(Path()))
    found: dict[tuple[int, int], float] = {}
    for interval in range(2):
        for member in range(4):
            inline.advance(order(member, interval))
        found |= scores(collect(inline, 4))
    inline.close()
    return found


def test_every_order_is_carried_out_once(executor: Executor) -> None:
    found: dict[tuple[int, int], float] = {}
    for interval in range(2):
        for member in range(4):
            executor.advance(order(member, interval, epoch=5))
        done = collect(executor, 4)
        assert len(done) == 4
        assert {d.epoch for d in done} == {5}
        assert all(d.began <= d.ended for d in done)
        assert all(0 <= d.worker < executor.workers for d in done)
        found |= scores(done)
    assert found == reference()


def test_nothing_under_way_returns_at_once(executor: Executor) -> None:
    began = time.monotonic()
    assert executor.poll(0.0) == []
    assert time.monotonic() - began < 5


def test_a_saved_state_is_the_state_and_loads_elsewhere(executor: Executor, tmp_path: Path) -> None:
    executor.advance(order(0, 0))
    collect(executor, 1)
    executor.save(0, str(tmp_path / "a.safetensors"))
    [saved] = collect(executor, 1, Saved)
    assert saved.nbytes == (tmp_path / "a.safetensors").stat().st_size
    executor.replace([Copy(3, None, str(tmp_path / "a.safetensors"))])
    for member in (0, 3):
        executor.advance(order(member, 1, seed=9, save_to=str(tmp_path / f"m{member}.safetensors")))
    assert {d.saved > 0 for d in collect(executor, 2)} == {True}
    states = [read_state(tmp_path / f"m{member}.safetensors") for member in (0, 3)]
    # Member 3 has another pace, but the same number of steps behind it.
    assert difference(states[0]["objects"]["box"]["value"], states[1]["objects"]["box"]["value"]) is not None


def test_copies_are_taken_before_the_first_of_them(executor: Executor, tmp_path: Path) -> None:
    for member in range(4):
        executor.advance(order(member, 0))
    before = scores(collect(executor, 4))
    ring = [(member, (member + 1) % 4) for member in range(4)]
    executor.replace([Copy(member, donor, str(tmp_path / f"d{donor}.safetensors")) for member, donor in ring])
    for member in range(4):
        zero = Order(member=member, interval=1, steps=1, start=3, hparams={"pace": 0.0}, seed=1, init_seed=0)
        executor.advance(zero)
    after = scores(collect(executor, 4))
    assert [after[member, 2] for member, _ in ring] == [before[donor, 1] for _, donor in ring]


def test_a_member_without_a_source_begins_anew(executor: Executor) -> None:
    executor.advance(order(0, 0))
    first = collect(executor, 1)[0].metrics
    executor.replace([Copy(0)])
    executor.advance(order(0, 0))
    assert collect(executor, 1)[0].metrics == first


def test_a_file_that_is_not_there_is_reported(executor: Executor, tmp_path: Path) -> None:
    executor.replace([Copy(0, None, str(tmp_path / "missing.safetensors"))])
    executor.advance(order(0, 1))
    [failed] = collect(executor, 1, SaveFailed)
    assert "missing" in failed.path
    assert not failed.full


@pytest.mark.parametrize("name", MAKERS)
def test_user_errors_come_back_as_outcomes(name: str, tmp_path: Path) -> None:
    class Broken(Walker):
        def step(self, steps: int) -> None:
            raise KeyError("mine")

    executor = MAKERS[name]()
    executor.start(job(tmp_path, Broken))
    executor.advance(order(1, 0))
    [broke] = collect(executor, 1, Broke)
    assert (broke.member, broke.interval, broke.error) == (1, 0, "KeyError")
    assert "in step" in broke.traceback
    executor.close()


def pids(executor: Processes) -> list[int]:
    return [worker.process.pid for worker in executor._workers]


def test_a_killed_worker_is_reported_with_its_members_and_another_one_starts(tmp_path: Path) -> None:
    executor = Processes(workers=2)
    executor.start(job(tmp_path))
    for member in range(4):
        executor.advance(order(member, 0))
    homes = {d.member: d.worker for d in collect(executor, 4)}
    assert sorted(homes.values()) == [0, 0, 1, 1]
    old = pids(executor)
    os.kill(old[0], 9)
    executor.advance(order(next(m for m, w in homes.items() if w == 0), 1))
    [lost] = collect(executor, 1, Lost)
    assert lost.members == sorted(m for m, w in homes.items() if w == 0)
    assert "SIGKILL" in lost.detail
    assert pids(executor)[1] == old[1]
    executor.replace([Copy(m) for m in lost.members])
    for member in range(4):
        executor.advance(order(member, 0))
    collect(executor, 4)
    executor.close()
    assert not any(psutil.pid_exists(pid) for pid in pids(executor))


def test_a_worker_that_dies_before_it_has_written_says_what(tmp_path: Path) -> None:
    executor = Processes(workers=1)
    executor.start(job(tmp_path, population=1))
    executor.advance(order(0, 0))
    collect(executor, 1)
    write_state(tmp_path / "other.safetensors", {"objects": {"box": {"value": np.zeros(2)}}})
    [pid] = pids(executor)
    os.kill(pid, signal.SIGSTOP)
    executor.save(0, str(tmp_path / "a.safetensors"))
    executor.replace([Copy(0, None, str(tmp_path / "other.safetensors"))])  # whose state needs no worker
    os.kill(pid, signal.SIGKILL)
    [lost] = collect(executor, 1, Lost)
    assert (lost.members, lost.files) == ([], [str(tmp_path / "a.safetensors")])
    executor.close()


@pytest.mark.timeout(60)
def test_a_worker_that_is_stuck_while_it_writes_is_killed(tmp_path: Path) -> None:
    executor = Processes(workers=2)
    executor.start(replace(job(tmp_path), deadline=0.5))
    for member in range(4):
        executor.advance(order(member, 0))
    home = {d.member: d.worker for d in collect(executor, 4)}[0]
    os.kill(pids(executor)[home], signal.SIGSTOP)
    executor.save(0, str(tmp_path / "a.safetensors"))
    [lost] = collect(executor, 1, Lost)
    assert (lost.reason, lost.files) == ("stuck", [str(tmp_path / "a.safetensors")])
    assert 0 in lost.members
    executor.close()


def test_a_file_that_nobody_wants_any_more_may_be_gone(tmp_path: Path) -> None:
    executor = Processes(workers=1)
    executor.start(job(tmp_path))
    for member in range(2):
        executor.advance(order(member, 0))
    first = scores(collect(executor, 2))
    write_state(tmp_path / "donor.safetensors", {"objects": {"box": {"value": np.zeros(2)}}})
    executor.replace([Copy(1, None, str(tmp_path / "donor.safetensors"))])
    [pid] = pids(executor)
    os.kill(pid, signal.SIGSTOP)
    for member in range(2):
        executor.advance(order(member, 1))
    executor.replace([Copy(0), Copy(1)])  # back to the beginning, with the load under way
    (tmp_path / "donor.safetensors").unlink()
    os.kill(pid, signal.SIGCONT)
    for member in range(2):
        executor.advance(order(member, 0, epoch=1))
    found: list[Outcome] = []
    while sum(isinstance(outcome, Done) and outcome.epoch == 1 for outcome in found) < 2:
        found += executor.poll(1.0)
    assert not [outcome for outcome in found if isinstance(outcome, SaveFailed)]
    assert scores([o for o in found if isinstance(o, Done) and o.epoch == 1]) == first
    executor.close()


@pytest.mark.timeout(60)
def test_thousands_of_messages_and_answers_do_not_block_each_other(tmp_path: Path) -> None:
    executor = Processes(workers=1)
    executor.start(job(tmp_path))
    executor.advance(order(0, 0))
    collect(executor, 1)
    for number in range(3000):
        executor.save(0, str(tmp_path / f"{number}.safetensors"))
    assert len(collect(executor, 3000, Saved)) == 3000
    executor.close()


def test_a_state_saved_for_a_copy_is_not_taken_for_what_its_owner_became(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A donor that is a recipient too must not go on elsewhere from the state that it has given away."""
    monkeypatch.setattr(deadlines, "_SHORT", -1.0)  # one order at a time, so that members move to idle workers
    executor = Processes(workers=2)
    executor.start(job(tmp_path, Sleeper))
    for member in range(4):
        executor.advance(order(member, 0))
    done = collect(executor, 4)
    homes = {d.member: d.worker for d in done}
    before = scores(done)
    donor, source = (member for member in range(4) if homes[member] == 0)
    other = next(member for member in range(4) if homes[member] == 1)
    executor.replace(
        [Copy(other, donor, str(tmp_path / "given.safetensors")), Copy(donor, source, str(tmp_path / "unused.safetensors"))]
    )
    collect(executor, 1, Saved)
    executor.advance(replace(order(source, 1), steps=100))  # keeps the donor's worker busy for a second
    executor.advance(replace(order(donor, 1), steps=0))
    found = scores(collect(executor, 2))
    assert found[donor, 2] == before[source, 1]
    executor.close()


def test_copies_restart_no_worker(tmp_path: Path) -> None:
    executor = Processes(workers=2)
    executor.start(job(tmp_path))
    for interval in range(5):
        for member in range(4):
            executor.advance(order(member, interval))
        collect(executor, 4)
        before = pids(executor)
        paths = [str(tmp_path / f"{interval}-{donor}.safetensors") for donor in range(4)]
        executor.replace([Copy(m, (m + 1) % 4, paths[(m + 1) % 4]) for m in range(4)])
        assert pids(executor) == before
    executor.close()


def test_workers_get_their_device_before_they_start(tmp_path: Path) -> None:
    class Sees(Walker):
        def evaluate(self) -> float:
            return float(os.environ["CUDA_VISIBLE_DEVICES"])

    executor = Processes(workers=2, devices=["5", "7"])
    executor.start(job(tmp_path, Sees))
    for member in range(4):
        executor.advance(order(member, 0))
    done = collect(executor, 4)
    assert {(d.worker, d.metrics["score"]) for d in done} == {(0, 5.0), (1, 7.0)}
    executor.close()


def test_devices_come_from_the_environment() -> None:
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "1, 3"}) == ["1", "3"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert device_environment(3, ["a", "b"]) == {"CUDA_VISIBLE_DEVICES": "b"}
    assert device_environment(3, []) == {}


def test_what_workers_print_is_in_their_logs(tmp_path: Path) -> None:
    class Talks(Walker):
        def step(self, steps: int) -> None:
            super().step(steps)
            print("said by the worker")

    executor = Processes(workers=1)
    executor.start(job(tmp_path, Talks))
    executor.advance(order(0, 0))
    collect(executor, 1)
    executor.close()
    assert "said by the worker" in (tmp_path / "logs" / "worker-0.log").read_text()


def test_simulated_time_follows_the_table_of_durations() -> None:
    executor = Simulated(workers=2, duration=lambda member, interval, hparams: [3.0, 1.0, 1.5, 1.0][member])
    executor.start(job(Path()))
    for member in range(4):
        executor.advance(order(member, 0))
    done = collect(executor, 4)
    clock = executor.clock
    assert isinstance(clock, ManualClock)
    # Worker 1 trains members 1, 2 and 3, one after another, while worker 0 trains member 0.
    assert [(d.member, d.worker, d.ended) for d in done] == [(1, 1, 1.0), (2, 1, 2.5), (0, 0, 3.0), (3, 1, 3.5)]
    assert clock.now == 3.5


def test_arguments_are_checked() -> None:
    for make in (lambda: Processes(workers=0), lambda: Processes(threads=0), lambda: Simulated(workers=0)):
        with pytest.raises(ConfigError, match="at least 1"):
            make()
    lock = threading.Lock()

    def locks(member: Any) -> None:
        with lock:
            pass

    with pytest.raises(ConfigError, match="cannot be sent"):
        Processes(workers=1).start(job(Path(), locks))
