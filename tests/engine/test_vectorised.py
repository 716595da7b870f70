"""The population form gives the same study on every executor, in blocks of any size, through crashes and stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from flocks import SHAPED, SPACE, Deaf, Falls, Flock, Forgetful, Short, Stuck
from studies import climb, history

import poptrain as pt
from poptrain.core.errors import ConfigError, HyperparameterNotApplied, ReportError, StateError, TrainingFailed
from poptrain.core.tree import difference
from poptrain.engine.signals import Interrupts


def tune(directory: Path, train: Any = Flock, **options: Any) -> pt.Study:
    settings: dict[str, Any] = {
        "metric": "height",
        "population": 6,
        "intervals": 6,
        "interval_steps": 5,
        "algorithm": pt.PBT(exploit=pt.exploit.Truncation(0.34)),
        "directory": directory,
        "seed": 3,
        "executor": pt.Vectorised(workers=0),
    }
    return pt.tune(train, options.pop("space", SPACE), **{**settings, **options})


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("flock") / "study"
    tune(directory, executor="inline")
    return directory


MAKERS: dict[str, Any] = {
    "together": lambda: pt.Vectorised(workers=0),
    "together, blocks of 4": lambda: pt.Vectorised(workers=0, block=4),
    "together, blocks of 1": lambda: pt.Vectorised(workers=0, block=1),
    "in one worker": lambda: pt.Vectorised(workers=1),
    "in two workers": lambda: pt.Vectorised(workers=2),
    "in four workers": lambda: pt.Vectorised(workers=4),
    "in two workers, blocks of 2": lambda: pt.Vectorised(workers=2, block=2),
    "apart, on processes": lambda: pt.Processes(workers=2),
    "apart, simulated": lambda: pt.Simulated(workers=3),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_study(name: str, reference: Path, tmp_path: Path) -> None:
    study = tune(tmp_path / "study", executor=MAKERS[name]())
    assert history(tmp_path / "study") == history(reference)
    assert study.digest() == pt.Study.open(reference).digest()
    assert difference(study.best.load(), pt.Study.open(reference).best.load()) is None


def test_the_reference_has_copies(reference: Path) -> None:
    assert pt.Study.open(reference).copies >= 4


@pytest.mark.parametrize("name", ["together", "in two workers", "apart, on processes"])
def test_members_of_different_shapes_train_in_blocks_of_their_own(name: str, tmp_path: Path) -> None:
    want = tune(tmp_path / "inline", executor="inline", space=SHAPED, population=8)
    study = tune(tmp_path / "study", executor=MAKERS[name](), space=SHAPED, population=8)
    assert study.digest() == want.digest()
    assert study.copies >= 4


def test_a_study_that_was_stopped_goes_on_to_the_same_result(reference: Path, tmp_path: Path) -> None:
    interrupts = Interrupts()

    def watch(progress: Any) -> None:
        if progress.interval >= 2:
            interrupts.requested = True

    study = tune(tmp_path / "study", observer=watch, interrupts=interrupts, executor=pt.Vectorised(workers=2))
    assert study.status == "paused"
    seen: list[Any] = []
    study = tune(tmp_path / "study", observer=seen.append, executor=pt.Vectorised(workers=0))
    assert study.digest() == pt.Study.open(reference).digest()
    assert seen[-1].copies == study.copies


def test_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: Any) -> None:
        workers = [c for c in psutil.Process().children() if "poptrain.executors.worker" in " ".join(c.cmdline())]
        if not killed and progress.interval >= 2:
            os.kill(workers[0].pid, signal.SIGKILL)
            killed.append(workers[0].pid)

    options: dict[str, Any] = {"intervals": 12, "interval_steps": 200}
    want = tune(tmp_path / "calm", **options)
    study = tune(tmp_path / "study", observer=kill, executor=pt.Vectorised(workers=2), **options)
    assert killed
    assert study.digest() == want.digest()
    assert history(tmp_path / "study") == history(tmp_path / "calm")


def test_asynchronous_blocks_finish(tmp_path: Path) -> None:
    study = tune(tmp_path / "study", executor=pt.Vectorised(workers=2), synchronous=False)
    assert study.status == "finished"
    assert len(history(tmp_path / "study")) >= 36


def test_more_intervals_go_on(tmp_path: Path) -> None:
    tune(tmp_path / "study", intervals=3, executor=pt.Vectorised(workers=2))
    assert tune(tmp_path / "study", intervals=5, executor=pt.Vectorised(workers=2)).status == "finished"


def test_hyperparameters_that_do_not_take_effect_are_found(tmp_path: Path) -> None:
    with pytest.raises(HyperparameterNotApplied, match=r"'pace' is .* in row"):
        tune(tmp_path / "stuck", Stuck, preflight=False)
    with pytest.raises(HyperparameterNotApplied, match="noise was not read"):
        tune(tmp_path / "deaf", Deaf, preflight=False)


def test_a_state_that_lacks_something_is_found_before_the_study(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="saved and restored"):
        tune(tmp_path / "study", Forgetful)


def test_a_computation_that_raises_stops_the_study(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="the flock fell"):
        tune(tmp_path / "study", Falls, preflight=False)


def test_a_computation_that_raises_fails_all_its_members_if_asked_to(tmp_path: Path) -> None:
    study = tune(tmp_path / "study", Falls, preflight=False, on_error="diverge", intervals=3)
    assert "all 6 members failed" in study.because


def test_too_few_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="evaluate must return 6 numbers"):
        tune(tmp_path / "study", Short, preflight=False)


def test_a_loop_cannot_be_vectorised(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vectorised executor trains the population form"):
        tune(tmp_path / "study", climb, executor="vectorised")


def test_auto_measures_once_and_says_what_it_found(tmp_path: Path) -> None:
    found: list[Any] = []
    study = tune(tmp_path / "study", executor="auto", workers=2, intervals=2, on_preflight=found.append)
    assert study.config.executor in ("vectorised", "processes")
    assert "times as fast as" in study.config.arrangement
    assert found[0].arrangement == study.config.arrangement
    again = tune(tmp_path / "study", executor="auto", workers=2, intervals=4)
    assert (again.config.executor, again.config.arrangement) == (study.config.executor, study.config.arrangement)
    assert again.status == "finished"
    assert study.digest() == tune(tmp_path / "plain", intervals=2).digest()


class Alone(Flock):
    """Cannot be batched."""

    def step(self, interval: pt.PopulationInterval) -> None:
        if len(interval.seeds) > 1:
            raise ValueError("one at a time, please")
        super().step(interval)


def test_auto_takes_processes_where_members_cannot_train_together(tmp_path: Path) -> None:
    study = tune(tmp_path / "study", Alone, executor="auto", workers=2, intervals=2)
    assert study.config.executor == "processes"
    assert "one at a time, please" in study.config.arrangement


def test_no_thread_is_left() -> None:
    assert threading.active_count() < 10


class Deadly(Flock):
    """Kills its worker in the second interval, always, and leaves a mark."""

    def __init__(self, block: pt.Block, folder: Path) -> None:
        super().__init__(block)
        self.folder = folder

    def step(self, interval: pt.PopulationInterval) -> None:
        super().step(interval)
        if interval.starts[0] > 0:
            (self.folder / str(time.monotonic_ns())).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_block_that_kills_its_worker_is_tried_three_times_and_not_for_every_member(tmp_path: Path) -> None:
    (tmp_path / "deaths").mkdir()
    train = partial(Deadly, folder=tmp_path / "deaths")
    study = tune(tmp_path / "study", train, executor=pt.Vectorised(workers=1), preflight=False)
    assert study.because == "all 6 members failed; the last at interval 2"
    assert len(list((tmp_path / "deaths").iterdir())) == 3
