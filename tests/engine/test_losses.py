"""Workers and members that are lost at the worst of moments, and studies that must come to the same end all the same."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from retrace import retrace
from studies import Climber, history, run, slow_climb

import poptrain as pt
from poptrain.core.errors import HyperparameterNotApplied, TrainingFailed
from poptrain.core.events import Failed, Replaced
from poptrain.engine.signals import Interrupts
from poptrain.executors import Executor, Inline, Processes, Simulated
from poptrain.store.journal import Journal
from poptrain.trainable.work import Done, Outcome


def events(directory: Path, kind: type[Any]) -> list[Any]:
    journal = Journal.read_only(directory / "study.sqlite")
    found = [event for _, _, event in journal.events() if isinstance(event, kind)]
    journal.close()
    return found


class DiesAtTheEnd(Processes):
    """Loses a worker when it is asked, once, for a state of the last interval."""

    died = False

    def save(self, member: int, path: str) -> None:
        if "-i000005" in path and not self.died:
            self.died = True
            process = self._workers[self._home[member]].process
            process.send_signal(signal.SIGKILL)
            process.wait()
        super().save(member, path)


@pytest.mark.parametrize("durability", [0.05, 1e6])
def test_a_worker_lost_while_the_last_states_are_saved(durability: float, tmp_path: Path) -> None:
    want = run(tmp_path / "undisturbed").digest()
    executor = DiesAtTheEnd(workers=2)
    study = run(tmp_path / "study", executor=executor, durability=durability)
    assert executor.died
    assert (study.status, study.intervals_left) == ("finished", 0)
    assert study.digest() == want


class Stumbles:
    """Member 2 raises in its third interval."""

    def __call__(self, member: pt.Member) -> None:
        climber = Climber()
        member.register(climber=climber)
        for interval in member.intervals():
            pace = float(member["pace"]) - float(member["noise"])  # type: ignore[arg-type]
            if (member.index, interval.index) == (2, 2):
                raise ValueError("stumbled")
            climber.position = climber.position + pace
            member.report(height=float(climber.position.sum()))


def test_what_becomes_of_a_member_that_raised_does_not_depend_on_the_disk(tmp_path: Path) -> None:
    executors: dict[str, Callable[[], Executor]] = {"inline": Inline, "processes": lambda: Processes(workers=2)}
    digests = set()
    for name, make in executors.items():
        for durability in (0, 1e6):  # with the state before the exception on file, and without
            directory = tmp_path / f"{name}-{durability > 0}"
            options: dict[str, Any] = {"algorithm": pt.PBT(exploit=None), "durability": durability}
            study = run(directory, Stumbles(), executor=make(), on_error="diverge", **options)
            assert [(e.member, e.interval, e.reason) for e in events(directory, Failed)] == [(2, 3, "error")]
            digests.add(study.digest())
    assert len(digests) == 1


class ForgetsAValue:
    """Never looks at one of its hyperparameters after the first interval."""

    def __call__(self, member: pt.Member) -> None:
        for interval in member.intervals():
            height = member.restore(0.0) + float(member["pace"])  # type: ignore[arg-type]
            if interval.index == 0:
                height -= float(member["noise"])  # type: ignore[arg-type]
            member.report(height=height, state=height)


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_hyperparameter_without_effect_is_never_taken_for_divergence(executor: str, tmp_path: Path) -> None:
    with pytest.raises(HyperparameterNotApplied, match="noise was neither read nor bound"):
        run(tmp_path / "study", ForgetsAValue(), executor=executor, workers=2, on_error="diverge")


class DataError(Exception):
    """Somebody else's exception, named like one of poptrain's."""


class Namesake:
    def __call__(self, member: pt.Member) -> None:
        raise DataError("a column is missing")


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_foreign_exception_keeps_its_traceback_whatever_its_name(executor: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="DataError: a column is missing") as caught:
        run(tmp_path / "study", Namesake(), executor=executor, workers=1)
    assert "in __call__" in str(caught.value)


class Leaves:
    """A class-form trainable that ends its process, or tries to."""

    def configure(self, hparams: Any) -> None:
        self.pace = hparams["pace"], hparams["noise"]

    def step(self, steps: int) -> None:
        sys.exit(3)

    def evaluate(self) -> float:
        return 0.0

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_training_code_that_exits_is_an_error_of_the_training_code(executor: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="SystemExit: 3"):
        run(tmp_path / "study", Leaves, executor=executor, workers=2)


class OddName:
    def __call__(self, member: pt.Member) -> None:
        raise FileNotFoundError(os.fsdecode(b"weights-\xff.bin"))


def test_an_error_with_half_a_character_in_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"FileNotFoundError: weights-\\udcff\.bin"):
        run(tmp_path / "study", OddName(), executor="processes", workers=1)


def test_a_spent_budget_of_seconds_stays_spent(tmp_path: Path) -> None:
    for _ in range(2):
        study = run(tmp_path / "study", executor=Simulated(workers=2, duration=10.0), max_seconds=70.0)
        assert study.status == "finished"
        assert max(row[0] for row in history(tmp_path / "study")) == 3
    study = run(tmp_path / "study", executor=Simulated(workers=2, duration=10.0), max_seconds=1000.0)
    assert study.intervals_left == 0


def test_an_interrupt_before_the_first_order_trains_nothing(tmp_path: Path) -> None:
    interrupts = Interrupts()
    interrupts.requested = True
    study = run(tmp_path / "study", interrupts=interrupts)
    assert (study.status, history(tmp_path / "study")) == ("paused", [])
    assert run(tmp_path / "study").digest() == run(tmp_path / "undisturbed").digest()


class FailsOnce:
    """Raises in the second interval as long as a file is there."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, member: pt.Member) -> None:
        climber = Climber()
        member.register(climber=climber)
        for interval in member.intervals():
            climber.position = climber.position + float(member["pace"]) - float(member["noise"])  # type: ignore[arg-type]
            if interval.index == 1 and member.index == 1 and self.file.exists():
                raise ValueError("not yet")
            member.report(height=float(climber.position.sum()))


@pytest.mark.parametrize("kind", [Inline, Simulated, Processes])
def test_an_executor_that_was_stopped_serves_another_study(kind: type[Executor], tmp_path: Path) -> None:
    executor = kind() if kind is Inline else kind(workers=2)  # type: ignore[call-arg]
    train = FailsOnce(tmp_path / "fail")
    train.file.touch()
    with pytest.raises(TrainingFailed, match="not yet"):
        run(tmp_path / "first", train, executor=executor, durability=0)
    train.file.unlink()
    want = run(tmp_path / "undisturbed", train).digest()
    assert run(tmp_path / "second", train, executor=executor).digest() == want
    assert run(tmp_path / "first", train, executor=executor).digest() == want


class SickAtOnce:
    """Member 0 is best by far and then reports NaN in the second interval; member 3 is worst all the time."""

    def __call__(self, member: pt.Member) -> None:
        for interval in member.intervals():
            count = member.restore(0.0)
            member["pace"], member["noise"]
            sick = count >= 100 and interval.index == 1  # whoever was member 0 at first
            value = count + ({0: 100.0, 3: -10.0}.get(member.index, 1.0) if interval.index == 0 else 1.0)
            member.report(math.nan if sick else value, state=math.nan if sick else value)


class AllAtOnce(Processes):
    """Returns the reports of all members together, those of later members first."""

    def poll(self, timeout: float | None) -> list[Outcome]:
        found = super().poll(timeout)
        while sum(isinstance(outcome, Done) for outcome in found) % self._population:
            found += super().poll(1.0)
        return sorted(found, key=lambda outcome: -getattr(outcome, "member", 0))


def test_a_donor_that_fails_in_the_same_moment_gives_the_state_it_was_judged_by(tmp_path: Path) -> None:
    options: dict[str, Any] = {"population": 4, "intervals": 3, "synchronous": False}
    options["algorithm"] = pt.PBT(exploit=pt.exploit.truncation(0.25), burn_in=1)
    run(tmp_path / "study", SickAtOnce(), executor=AllAtOnce(workers=4), **options)
    copies = [event for event in events(tmp_path / "study", Replaced) if event.interval == 2 and event.donor == 0]
    assert copies, "somebody copies the member that was best"
    assert {event.donor_interval for event in copies} == {1}
    scores = {(row[2], row[0]): row[3] for row in history(tmp_path / "study") if row[1] == 0}
    assert scores[0, 2] is None
    assert all(scores[event.member, 3] is not None for event in copies)


def test_the_last_scoring_is_made_up_for(tmp_path: Path) -> None:
    def fails(state: Any, hparams: Any) -> dict[str, float]:
        raise OSError("the test set is on a disk that is not there")

    with pytest.raises(OSError, match="not there"):
        run(tmp_path / "study", held_out=fails)
    calls: list[Any] = []

    def scores(state: Any, hparams: Any) -> dict[str, float]:
        calls.append(hparams)
        return {"elsewhere": 0.5}

    for _ in range(2):
        study = run(tmp_path / "study", held_out=scores)
        assert study.held_out is not None
        assert study.held_out.metrics == {"elsewhere": 0.5}
    assert len(calls) == 1


class Hasty(Processes):
    """Loses a worker in the middle of its intervals, again and again, with orders for it already sent ahead."""

    polls = 0
    killed_at = 0
    kills = 0

    def poll(self, timeout: float | None) -> list[Outcome]:
        self.polls += 1
        busy = [worker for worker in self._workers if len(worker.orders) == 2]
        if busy and self.polls >= self.killed_at + 5 and self.kills < 8:
            self.killed_at, self.kills = self.polls, self.kills + 1
            busy[0].process.send_signal(signal.SIGKILL)
        return super().poll(timeout)


@pytest.mark.parametrize("durability", [0.0, 1e6])
def test_workers_lost_with_orders_sent_ahead(durability: float, tmp_path: Path) -> None:
    want = run(tmp_path / "undisturbed", slow_climb, population=8).digest()
    executor = Hasty(workers=2)
    study = run(tmp_path / "study", slow_climb, population=8, executor=executor, durability=durability)
    assert [e for e in events(tmp_path / "study", Failed) if e.reason == "lost"]
    if not [row for row in history(tmp_path / "study") if row[1] == 0 and row[3] is None]:  # nobody lost three times
        assert study.digest() == want
    assert study.intervals_left == 0


@pytest.mark.parametrize("bodies", [None, 1])
def test_an_asynchronous_study_is_what_its_journal_says_whoever_was_lost(bodies: int | None, tmp_path: Path) -> None:
    options: dict[str, Any] = {"algorithm": pt.PBT(exploit=pt.exploit.tournament()), "bodies": bodies, "intervals": 8}
    study = run(tmp_path / "study", slow_climb, synchronous=False, executor=Hasty(workers=3), **options)
    assert [e for e in events(tmp_path / "study", Failed) if e.reason == "lost"]
    assert study.copies
    assert retrace(tmp_path / "study") == 6 * 8


def test_a_study_that_went_through_many_hands_is_what_its_journal_says(tmp_path: Path) -> None:
    executors = [Inline(), Processes(workers=2), Simulated(workers=3), Processes(workers=3)]
    for number, executor in enumerate(executors):
        run(tmp_path / "study", synchronous=False, executor=executor, intervals=3 + 2 * number)
    assert retrace(tmp_path / "study") == 6 * 9
