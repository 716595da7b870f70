"""Members and bodies: whoever shares a body with whom, every member's training is the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import Walker, walk, walk_functional

from poptrain.core.errors import HyperparameterNotApplied, ReportError, StateError, TrainingFailed
from poptrain.core.tree import difference, snapshot
from poptrain.store.tensorfile import read_state, write_state
from poptrain.trainable import Member
from poptrain.trainable.bodies import BodySpec, UserCodeFailed
from poptrain.trainable.host import Host, HostSpec
from poptrain.trainable.work import Order

CODES = [Walker, walk, walk_functional]


def host(
    train: Any,
    bodies: int | None = None,
    structural: tuple[str, ...] = (),
    tuned: tuple[str, ...] = ("pace",),
) -> Host:
    spec = BodySpec(train, "score", frozenset(tuned) - frozenset(structural))
    return Host(HostSpec(spec, structural, bodies, write_state, read_state))


def order(member: int, interval: int, **hparams: Any) -> Order:
    return Order(
        member=member,
        interval=interval,
        steps=3,
        start=3 * interval,
        hparams=hparams or {"pace": 1.0 + member},
        seed=1000 * member + interval,
        init_seed=77 + member,
    )


def history(train: Any, bodies: int | None, members: int = 4) -> list[float]:
    with_bodies = host(train, bodies)
    scores = [with_bodies.train(order(member, interval)).metrics["score"] for interval in range(3) for member in range(members)]
    assert bodies is None or with_bodies.bodies <= bodies
    with_bodies.close()
    return scores


@pytest.mark.parametrize("train", CODES)
@pytest.mark.parametrize("bodies", [1, 2, 3])
def test_sharing_bodies_changes_nothing(train: Any, bodies: int) -> None:
    assert history(train, bodies) == history(train, None)


@pytest.mark.parametrize("train", CODES)
@pytest.mark.parametrize("bodies", [1, None])
def test_copies_are_taken_before_the_first_of_them(train: Any, bodies: int | None) -> None:
    one = host(train, bodies)
    for member in range(3):
        one.train(order(member, 0))
    before = [snapshot(one.state(member)) for member in range(3)]
    one.copy([(0, 1), (1, 2), (2, 0)])
    assert [difference(one.state(m), before[d]) for m, d in ((0, 1), (1, 2), (2, 0))] == [None] * 3
    one.close()


@pytest.mark.parametrize("train", CODES)
def test_a_copy_is_its_own(train: Any) -> None:
    one = host(train)
    for member in range(2):
        one.train(order(member, 0))
    one.copy([(0, 1)])
    donor = snapshot(one.state(1))
    one.train(order(0, 1))
    assert difference(one.state(1), donor) is None
    assert difference(one.state(0), donor) is not None
    one.close()


@pytest.mark.parametrize("train", CODES)
def test_a_saved_member_goes_on_elsewhere(train: Any, tmp_path: Path) -> None:
    here, there = host(train), host(train)
    here.train(order(0, 0))
    here.save(0, tmp_path / "a.safetensors")
    there.load(5, tmp_path / "a.safetensors")
    twin = Order(member=5, interval=1, steps=3, start=3, hparams={"pace": 1.0}, seed=1, init_seed=0)
    assert there.train(twin).metrics == here.train(order(0, 1)).metrics
    assert difference(here.state(0), there.state(5)) is None
    here.close()
    there.close()


def test_a_forgotten_member_begins_anew() -> None:
    one = host(walk)
    first = one.train(order(0, 0)).metrics
    one.train(order(0, 1))
    one.forget([0])
    assert one.train(order(0, 0)).metrics == first
    one.close()


def test_closing_leaves_no_thread() -> None:
    before = threading.active_count()
    one = host(walk)
    for member in range(3):
        one.train(order(member, 0))
    assert threading.active_count() == before + 3
    one.close()
    assert threading.active_count() == before


def test_closing_runs_finally_clauses() -> None:
    ended = []

    def train(member: Member) -> None:
        try:
            walk(member)
        finally:
            ended.append(member.index)

    one = host(train)
    one.train(order(4, 0))
    one.close()
    assert ended == [4]


def structural(member: Member) -> None:
    """A net whose width is a hyperparameter."""
    width = int(member["width"])  # type: ignore[arg-type]

    class Net:
        def __init__(self) -> None:
            self.w = np.zeros(width)

        def state_dict(self) -> dict[str, Any]:
            return {"w": self.w}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            assert state["w"].shape == self.w.shape
            self.w = state["w"].copy()

    net = Net()
    member.register(net=net)
    for _ in member.intervals():
        net.w = net.w + float(member["pace"])  # type: ignore[arg-type]
        member.report(score=net.w.sum())


@pytest.mark.parametrize("bodies", [1, 2, None])
def test_structural_hyperparameters_enter_the_function_anew(bodies: int | None) -> None:
    one = host(structural, bodies, structural=("width",), tuned=("pace", "width"))
    assert one.train(order(0, 0, pace=1.0, width=2)).metrics["score"] == 2
    assert one.train(order(1, 0, pace=1.0, width=3)).metrics["score"] == 3
    one.copy([(0, 1)])
    assert one.train(order(0, 1, pace=1.0, width=3)).metrics["score"] == 6
    assert one.train(order(1, 1, pace=2.0, width=3)).metrics["score"] == 9
    one.close()


def failing(train: Callable[[Member], None], **hparams: Any) -> BaseException:
    one = host(train, tuned=tuple(hparams) or ("pace",))
    with pytest.raises(UserCodeFailed) as caught:
        one.train(order(0, 0, **hparams))
    one.close()
    return caught.value.error


def test_what_users_get_wrong() -> None:
    def returns_early(member: Member) -> None:
        for _ in member.intervals():
            member.report(score=float(member["pace"]))  # type: ignore[arg-type]
            return

    def reports_nothing(member: Member) -> None:
        for _ in member.intervals():
            member.hparams["pace"]

    def reports_twice(member: Member) -> None:
        for _ in member.intervals():
            member.report(score=1.0)
            member.report(score=1.0)

    def reports_something_else(member: Member) -> None:
        for _ in member.intervals():
            member.report(accuracy=1.0)

    def reports_text(member: Member) -> None:
        for _ in member.intervals():
            member.report(score="high")

    def never_restores(member: Member) -> None:
        for _ in member.intervals():
            member.report(1.0, state={"a": 1})

    def ignores_pace(member: Member) -> None:
        pace = member["pace"]
        for _ in member.intervals():
            member.report(score=pace)

    for train, kind, text in [
        (returns_early, TrainingFailed, "returned before"),
        (reports_nothing, ReportError, "without a report"),
        (reports_twice, ReportError, "twice"),
        (reports_something_else, ReportError, "selects by 'score'"),
        (reports_text, ReportError, "score='high'"),
        (never_restores, StateError, "restore"),
        (ignores_pace, HyperparameterNotApplied, "pace was neither read nor bound"),
    ]:
        error = failing(train)
        assert isinstance(error, kind), (train, error)
        assert text in str(error)


def test_class_form_ignoring_a_hyperparameter_is_found_out() -> None:
    class Deaf(Walker):
        def configure(self, hparams: Any) -> None:
            self.pace = 1.0

    assert isinstance(failing(Deaf), HyperparameterNotApplied)  # type: ignore[arg-type]


def test_class_form_reads_back_what_is_in_force() -> None:
    class Sticky(Walker):
        """Its load brings the donor's pace along and configure only pretends."""

        def configure(self, hparams: Any) -> None:
            wanted = float(hparams["pace"])
            self.pace = self.pace or wanted

        def effective(self) -> dict[str, float]:
            return {"pace": self.pace}

    one = host(Sticky)
    one.train(order(0, 0, pace=1.0))
    with pytest.raises(UserCodeFailed, match=r"'pace' is 2.0 in the study, but right after configure 1.0"):
        one.train(order(0, 1, pace=2.0))


class Torn(Walker):
    """Raises in the middle of loading a state whose number of steps is negative."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"].copy()
        if state["steps"] < 0:
            raise ValueError("half loaded")
        self.steps = state["steps"]


class Unsaveable(Walker):
    """Raises when its state is asked for after the second interval."""

    def state_dict(self) -> dict[str, Any]:
        if self.steps == 6:
            raise ValueError("cannot be taken")
        return super().state_dict()


def test_a_member_whose_state_could_not_be_loaded_begins_anew(tmp_path: Path) -> None:
    write_state(tmp_path / "bad.safetensors", {"position": np.array([7.0, 7.0]), "steps": -1})
    one = host(Torn)
    want = one.train(order(0, 0, pace=1.0)).metrics
    one.load(0, tmp_path / "bad.safetensors")
    with pytest.raises(UserCodeFailed, match="half loaded"):
        one.train(order(0, 1, pace=1.0))
    assert one.train(order(0, 0, pace=1.0)).metrics == want


def test_a_member_whose_state_could_not_be_saved_begins_anew(tmp_path: Path) -> None:
    one = host(Unsaveable)
    want = one.train(order(0, 0, pace=1.0)).metrics
    with pytest.raises(UserCodeFailed, match="cannot be taken"):
        one.train(replace(order(0, 1, pace=1.0), save_to=str(tmp_path / "a.safetensors")))
    assert one.train(order(0, 0, pace=1.0)).metrics == want


def test_members_share_bodies_where_threads_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    want = host(walk, bodies=2)
    expected = [want.train(order(member, interval, pace=1.0)).metrics for interval in range(2) for member in range(6)]
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if sum(other.name.startswith("member-") for other in threading.enumerate()) >= before + 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    before = sum(other.name.startswith("member-") for other in threading.enumerate())
    monkeypatch.setattr(threading.Thread, "start", limited)
    one = host(walk)
    assert [one.train(order(m, i, pace=1.0)).metrics for i in range(2) for m in range(6)] == expected
    assert one.bodies == 3
    one.close()
    want.close()
