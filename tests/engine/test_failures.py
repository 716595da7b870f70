"""What goes wrong in members and workers, and what the study makes of it."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from studies import SPACE, Climber, climb, history, run

import poptrain as pt
from poptrain.core.errors import (
    BudgetError,
    ConfigError,
    DiskFull,
    HyperparameterNotApplied,
    StateError,
    TrainingFailed,
    WorkerError,
)
from poptrain.core.events import Failed, Replaced
from poptrain.engine import Progress
from poptrain.executors import Processes, Simulated
from poptrain.store.journal import Journal


def events(directory: Path, kind: type[Any]) -> list[Any]:
    journal = Journal.read_only(directory / "study.sqlite")
    found = [event for _, _, event in journal.events() if isinstance(event, kind)]
    journal.close()
    return found


class Sick:
    """Members 1 and 4 report NaN at their second interval; picklable, so that workers can have it."""

    def __init__(self, value: float = math.nan) -> None:
        self.value = value

    def __call__(self, member: pt.Member) -> None:
        climber = Climber()
        member.register(climber=climber)
        for interval in member.intervals():
            pace = float(member["pace"]) + float(member["noise"])  # type: ignore[arg-type]
            climber.position = climber.position + pace
            sick = interval.index == 1 and member.index in (1, 4)
            member.report(height=self.value if sick else float(climber.position.sum()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_diverged_members_are_replaced_and_never_donate(value: float, executor: str, tmp_path: Path) -> None:
    study = run(tmp_path / "study", Sick(value), executor=executor, workers=2)
    failed = sorted((e.member, e.interval, e.reason) for e in events(tmp_path / "study", Failed))
    assert failed == [(1, 2, "diverged"), (4, 2, "diverged")]
    copies = [e for e in events(tmp_path / "study", Replaced) if e.interval == 2]
    assert {1, 4} <= {e.member for e in copies}
    assert not {1, 4} & {e.donor for e in copies}
    assert study.status == "finished"
    assert math.isfinite(study.best.score)


def test_lower_is_better_where_asked_for(tmp_path: Path) -> None:
    high, low = run(tmp_path / "max"), run(tmp_path / "min", mode="min")
    assert low.best.score < high.best.score
    scores = [row[3] for row in history(tmp_path / "min") if row[1] == 0]
    assert low.best.score == min(scores)


def explode(member: pt.Member) -> None:
    climber = Climber()
    member.register(climber=climber)
    for interval in member.intervals():
        climber.position = climber.position + float(member["pace"]) + float(member["noise"])  # type: ignore[arg-type]
        if member.index == 2 and interval.index == 1:
            raise ZeroDivisionError("the user's own fault")
        member.report(height=float(climber.position.sum()))


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_an_exception_stops_the_study_and_says_where(executor: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed) as caught:
        run(tmp_path / "study", explode, executor=executor, workers=2, durability=0)
    text = str(caught.value)
    assert "member 2, interval 2" in text
    assert "ZeroDivisionError: the user's own fault" in text
    assert "in explode" in text
    assert [row for row in history(tmp_path / "study") if row[0] == 1], "what was committed is kept"


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_an_exception_may_count_as_divergence(executor: str, tmp_path: Path) -> None:
    study = run(tmp_path / "study", explode, executor=executor, workers=2, on_error="diverge", intervals=3)
    assert [(e.member, e.interval, e.reason) for e in events(tmp_path / "study", Failed)] == [(2, 2, "error")]
    assert study.status == "finished"


class Suicidal:
    """Member 3 kills its worker at its third interval, the first `times` times."""

    def __init__(self, folder: Path, times: int) -> None:
        self.folder, self.times = folder, times

    def __call__(self, member: pt.Member) -> None:
        climber = Climber()
        member.register(climber=climber)
        for interval in member.intervals():
            climber.position = climber.position + float(member["pace"]) + float(member["noise"])  # type: ignore[arg-type]
            if member.index == 3 and interval.index == 2 and len(list(self.folder.iterdir())) < self.times:
                (self.folder / str(time.monotonic_ns())).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            member.report(height=float(climber.position.sum()))


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_lost_worker_is_tried_again_twice(times: int, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    study = run(tmp_path / "study", Suicidal(deaths, times), executor=Processes(workers=2))
    lost = [e for e in events(tmp_path / "study", Failed) if e.reason == "lost"]
    failed = [row for row in history(tmp_path / "study") if row[1] == 0 and row[3] is None]
    assert study.status == "finished"
    assert len(failed) == (1 if times == 3 else 0)
    assert lost
    assert "killed by SIGKILL" in lost[0].detail


class Hanging:
    """Member 2 hangs at its second interval, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, member: pt.Member) -> None:
        climber = Climber()
        member.register(climber=climber)
        for interval in member.intervals():
            climber.position = climber.position + float(member["pace"]) + float(member["noise"])  # type: ignore[arg-type]
            if member.index == 2 and interval.index == 1 and not list(self.folder.iterdir()):
                (self.folder / "hung").touch()
                time.sleep(3600)
            member.report(height=float(climber.position.sum()))


def test_a_stuck_member_does_not_hold_up_the_barrier(tmp_path: Path) -> None:
    folder = tmp_path / "hung"
    folder.mkdir()
    began = time.monotonic()
    study = run(tmp_path / "study", Hanging(folder), executor=Processes(workers=2), deadline=1.0)
    assert time.monotonic() - began < 30
    assert study.status == "finished"
    assert [e.reason for e in events(tmp_path / "study", Failed)] == ["stuck"]


def test_a_simulated_member_that_never_ends_fails_and_is_replaced(tmp_path: Path) -> None:
    pace = Simulated(
        workers=3,
        duration=lambda member, interval, hparams: math.inf if (member, interval) == (1, 1) else 1.0,
    )
    study = run(tmp_path / "study", climb, executor=pace, deadline=5.0)
    assert study.status == "finished"
    assert [(row[0], row[2]) for row in history(tmp_path / "study") if row[1] == 0 and row[3] is None] == [(2, 1)]


class KeepsOldRate:
    """The classical fault: the donor's optimiser brings its learning rate along, after the value was set."""

    def __call__(self, member: pt.Member) -> None:
        net = torch.nn.Linear(2, 1)
        opt = torch.optim.SGD(net.parameters(), lr=1.0)
        first = opt.state_dict()
        member.register(net=net, opt=opt)
        member.bind(opt, lr="pace")
        for interval in member.intervals():
            if interval.index == 2:
                opt.load_state_dict(first)  # as a restored checkpoint or a warm start would
            member.report(height=float(member["noise"]) + member.index)  # type: ignore[arg-type]


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_an_old_value_brought_along_is_an_error_within_the_interval(executor: str, tmp_path: Path) -> None:
    with pytest.raises(HyperparameterNotApplied, match=r"interval 3.*SGD.lr must follow 'pace'"):
        run(tmp_path / "study", KeepsOldRate(), executor=executor, workers=2)


def forgetful(member: pt.Member) -> None:
    """Something that training depends on is not registered."""
    climber = Climber()
    momentum = 0.0
    member.register(climber=climber)
    for interval in member.intervals():
        for _ in range(interval.steps):
            momentum += float(member["pace"])  # type: ignore[arg-type]
            climber.position = climber.position + momentum + float(member["noise"])  # type: ignore[arg-type]
        member.report(height=float(climber.position.sum()))


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_the_preflight_finds_state_that_is_not_registered(executor: str, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="goes on differently"):
        run(tmp_path / "study", forgetful, executor=executor, preflight=True)


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_the_preflight_leaves_no_trace(executor: str, tmp_path: Path) -> None:
    found: list[Any] = []
    with_it = run(tmp_path / "with", executor=executor, workers=2, preflight=True, on_preflight=found.append)
    without = run(tmp_path / "without", executor=executor, workers=2)
    assert with_it.digest() == without.digest()
    assert found[0].exact
    assert found[0].state_bytes > 24
    assert not list((tmp_path / "with" / "checkpoints").glob("preflight*"))


def test_a_full_disk_pauses_and_the_study_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from poptrain.store.checkpoints import CheckpointStore

    want = run(tmp_path / "undisturbed").digest()
    seal, calls = CheckpointStore.seal, []

    def full(self: CheckpointStore, *arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) > 8:
            raise DiskFull(f"no room in {tmp_path}") from OSError(errno.ENOSPC, "No space left on device")
        return seal(self, *arguments, **named)

    monkeypatch.setattr(CheckpointStore, "seal", full)
    with pytest.raises(DiskFull, match="no room"):
        run(tmp_path / "study", durability=0)
    monkeypatch.undo()
    assert history(tmp_path / "study"), "what was committed is kept"
    assert run(tmp_path / "study").digest() == want


def test_checkpoints_are_bounded_at_every_moment(tmp_path: Path) -> None:
    most = []
    folder = tmp_path / "study" / "checkpoints"

    def watch(progress: Progress) -> None:
        most.append(len(list(folder.glob("*.safetensors"))))

    run(tmp_path / "study", intervals=12, durability=0.01, observer=watch)
    # The states that members start from, those of the last commit and those on their way to the next one, and the best ones.
    assert max(most) <= 3 * 6 + 3
    assert len(list(folder.glob("*.safetensors"))) <= 6 + 1


def test_a_worker_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    class Unloadable:
        def __call__(self, member: pt.Member) -> None:
            raise AssertionError

        def __reduce__(self) -> Any:
            return os.getcwd, (1,)

    with pytest.raises(WorkerError, match="could not take the training code"):
        run(tmp_path / "study", Unloadable(), executor="processes", workers=1)


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"population": 0}, BudgetError, "population must be at least 1, got 0"),
        ({"population": 1}, ConfigError, "at least 2"),
        ({"intervals": 0}, BudgetError, "intervals must be at least 1"),
        ({"interval_steps": 2.5}, ConfigError, "whole number, got 2.5"),
        ({"mode": "higher"}, ConfigError, "'max' or 'min', got 'higher'"),
        ({"executor": "threads"}, ConfigError, "'auto', 'processes', 'vectorised', 'inline'"),
        ({"seed": -1}, ConfigError, "seed"),
        ({"on_error": "ignore"}, ConfigError, "'stop' or 'diverge'"),
        ({"max_seconds": 0}, BudgetError, "max_seconds"),
        ({"workers": 0, "executor": "processes"}, ConfigError, "workers must be at least 1"),
        ({"workers": 1.5, "executor": "processes"}, ConfigError, r"workers must be a whole number.* got 1\.5"),
        ({"threads": 0}, ConfigError, "threads must be a whole number of at least 1, got 0"),
        ({"bodies": 0}, ConfigError, "bodies must be a whole number of at least 1, got 0"),
        ({"deadline": 0}, ConfigError, "deadline must be more than 0 seconds, got 0"),
        ({"deadline": math.nan}, ConfigError, "deadline must be more than 0 seconds, got nan"),
        ({"durability": math.inf}, ConfigError, "durability must be .* finite, got inf"),
        ({"seed": 2**64}, ConfigError, "seed"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], kind: type[Exception], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        run(tmp_path / "study", **changes)
    assert not (tmp_path / "study" / "study.sqlite").exists()


def test_an_instance_is_no_training_code(tmp_path: Path) -> None:
    class Form:
        def configure(self) -> None: ...

        def step(self) -> None: ...

    form: Any = Form()
    with pytest.raises(ConfigError, match="pass the class itself"):
        pt.tune(form, SPACE, metric="x", directory=tmp_path / "s")


def test_a_budget_of_seconds_ends_the_study(tmp_path: Path) -> None:
    study = run(tmp_path / "study", executor=Simulated(workers=2, duration=10.0), max_seconds=70.0)
    rounds = {row[0] for row in history(tmp_path / "study")}
    assert rounds == {1, 2, 3}  # thirty seconds a round; the third was under way when the time was over
    assert study.status == "finished"


class Unsaveable:
    """Its state holds something that only pickle could save."""

    def __call__(self, member: pt.Member) -> None:
        for interval in member.intervals():
            value = member.restore({"seen": {1, 2}})
            member["pace"], member["noise"]
            member.report(height=float(interval.index), state=value)


@pytest.mark.parametrize("preflight", [False, True])
@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_state_that_cannot_be_saved_is_an_error_of_the_state(executor: str, preflight: bool, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"member 0 cannot be saved: state\.value\.seen is a builtins\.set"):
        run(tmp_path / "study", Unsaveable(), executor=executor, workers=1, preflight=preflight)
