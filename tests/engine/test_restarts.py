"""Members that begin anew or go back to an earlier state: the same on every executor, through kills and stops."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import flocks
import psutil
import pytest
import torch
from studies import SPACE, climb, history, run, slow_climb
from wanderers import Wander

import poptrain as pt
from poptrain.core.errors import ConfigError
from poptrain.core.events import Replaced, Restarted
from poptrain.engine.signals import Interrupts
from poptrain.store.journal import Journal

SIZES: dict[str, Any] = {"intervals": 7, "algorithm": Wander()}


def events(directory: Path, kind: type[Any]) -> list[Any]:
    journal = Journal.read_only(directory / "study.sqlite")
    found = [event for _, _, event in journal.events(kinds=[kind])]
    journal.close()
    return found


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference") / "study"
    run(directory, **SIZES)
    return directory


MAKERS: dict[str, Any] = {
    "inline, one body": {"bodies": 1},
    "inline, waiting for the disk": {"durability": 0},
    "inline, never saving between": {"durability": 1e6},
    "simulated": {"executor": lambda: pt.Simulated(workers=3, duration=lambda m, i, h: 1.0 + m)},
    "processes": {"executor": lambda: pt.Processes(workers=2)},
    "processes, four of them": {"executor": lambda: pt.Processes(workers=4)},
    "processes, one body each": {"executor": lambda: pt.Processes(workers=2), "bodies": 1, "durability": 0},
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_history(name: str, reference: Path, tmp_path: Path) -> None:
    options = dict(MAKERS[name])
    if "executor" in options:
        options["executor"] = options["executor"]()
    study = run(tmp_path / "study", **SIZES, **options)
    assert history(tmp_path / "study") == history(reference)
    assert study.digest() == pt.Study.open(reference).digest()


def test_the_reference_begins_anew_and_goes_back(reference: Path) -> None:
    assert [event.interval for event in events(reference, Restarted)] == [1, 3, 5]
    back = [event for event in events(reference, Replaced) if event.donor_interval < event.interval]
    assert len(back) >= 3
    assert any(event.donor == event.member and event.weights for event in back)


def test_restarted_weights_are_new_ones(reference: Path, tmp_path: Path) -> None:
    def first(member: pt.Member) -> None:
        weights = [float(value) for value in torch.rand(2)]
        for interval in member.intervals():
            state = member.restore(weights)
            member.report(state[0] + 0 * (member["pace"] + member["noise"]) - interval.index, state=state)  # type: ignore[operator]

    study = run(tmp_path / "study", first, **{**SIZES, "population": 3})
    fresh = {(e.member, e.interval) for e in events(tmp_path / "study", Restarted)}
    begun = {
        r.score + r.interval for r in study.reports() if r.score and (r.interval == 1 or (r.member, r.interval - 1) in fresh)
    }
    assert len(begun) == 3 + len(fresh)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batched_members_begin_anew_like_single_ones(workers: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"metric": "height", "population": 6, "interval_steps": 5, "seed": 3, **SIZES}
    want = pt.tune(flocks.Flock, flocks.SPACE, directory=tmp_path / "inline", executor="inline", **options)
    made = pt.tune(flocks.Flock, flocks.SPACE, directory=tmp_path / "study", executor=pt.Vectorised(workers=workers), **options)
    assert made.digest() == want.digest()
    assert len(events(tmp_path / "study", Restarted)) == 3


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
def test_a_study_that_was_stopped_goes_on_to_the_same_result(stop_after: int, reference: Path, tmp_path: Path) -> None:
    interrupts = Interrupts()

    def watch(progress: Any) -> None:
        interrupts.requested = progress.interval >= stop_after

    assert run(tmp_path / "study", observer=watch, interrupts=interrupts, **SIZES).status == "paused"
    study = run(tmp_path / "study", executor=pt.Processes(workers=2), **SIZES)
    assert study.digest() == pt.Study.open(reference).digest()
    assert history(tmp_path / "study") == history(reference)


@pytest.mark.parametrize("kill_after", [1, 3, 4])
def test_a_killed_worker_changes_nothing(kill_after: int, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: Any) -> None:
        if not killed and progress.interval >= kill_after:
            workers = [c for c in psutil.Process().children() if "poptrain.executors.worker" in " ".join(c.cmdline())]
            os.kill(workers[0].pid, signal.SIGKILL)
            killed.append(workers[0].pid)

    want = run(tmp_path / "calm", slow_climb, **SIZES)
    study = run(tmp_path / "study", slow_climb, observer=kill, executor=pt.Processes(workers=2), **SIZES)
    assert killed
    assert study.digest() == want.digest()


def test_asynchronous_studies_restart_and_go_back_too(tmp_path: Path) -> None:
    for name, executor in {"a": pt.Processes(workers=2), "b": pt.Simulated(workers=2), "c": pt.Inline()}.items():
        study = run(tmp_path / name, synchronous=False, executor=executor, **SIZES)
        assert study.status == "finished"
        assert len(study.reports()) == 6 * SIZES["intervals"]
        assert len(events(tmp_path / name, Restarted)) >= 3
        assert any(event.donor_interval != event.interval for event in events(tmp_path / name, Replaced))


def test_kept_states_are_the_only_old_ones_on_the_disk(reference: Path) -> None:
    kept = pt.Study.open(reference).verify()
    assert kept <= 6 + 2  # what members start from, and the two that are kept, the best one among them
    assert len(list((reference / "checkpoints").glob("*.safetensors"))) == kept


def test_an_earlier_state_that_was_not_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a copy of an earlier state needs it kept, got member \d after interval 1"):
        run(tmp_path / "study", **{**SIZES, "algorithm": Wander(keeping=False)})


def test_ancestry_and_schedule_begin_where_a_member_began_anew(tmp_path: Path) -> None:
    study = run(tmp_path / "study", climb, **{**SIZES, "population": 3})
    restart = events(tmp_path / "study", Restarted)[-1]
    origins = study.lineage.ancestry(restart.member, restart.interval + 1)
    assert [(o.member, o.first) for o in origins] == [(restart.member, restart.interval + 1)]
    assert study.lineage.begins(restart.member, restart.interval + 1)
    assert study.schedule.steps % study.config.interval_steps == 0
    assert list(SPACE) == list(study.schedule.names)
