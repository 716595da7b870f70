"""Kill anything at any time: after a resume the study is the one it would have been."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from studies import history, run, slow_climb

import poptrain as pt
from poptrain.core.errors import CheckpointError, StoreError, StudyLocked, StudyMismatch
from poptrain.core.events import Failed
from poptrain.executors import Processes
from poptrain.store.journal import Journal

HERE = Path(__file__).parent.parent / "support"

CONTROLLER = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, {here!r})
    from pathlib import Path
    import studies
    studies.run(Path({directory!r}), studies.{train}, **{options!r})
    """
)


def controller(directory: Path, train: str = "climb", fault: str = "", **options: Any) -> subprocess.Popen[bytes]:
    code = CONTROLLER.format(here=str(HERE), directory=str(directory), train=train, options=options)
    environment = {**os.environ, "POPTRAIN_FAULT": fault, "PYTHONWARNINGS": "error"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference") / "study"
    run(directory, intervals=3)
    return directory


def points(directory: Path, **options: Any) -> int:
    counted = directory.parent / "points"
    process = controller(directory, fault=f"count:{counted}", intervals=3, **options)
    assert process.wait(timeout=60) == 0
    return int(counted.read_text())


@pytest.mark.parametrize("durability", [0.0, 0.005])
@pytest.mark.timeout(600)
def test_killed_at_every_point_of_the_store(durability: float, reference: Path, tmp_path: Path) -> None:
    total = points(tmp_path / "counted", durability=durability)
    assert total > 20
    want = pt.Study.open(reference).digest()
    # Every point in turn would take minutes; a stride that is prime to the pattern of the points reaches all kinds.
    stride = max(1, total // 14) | 1
    for point in range(1, total + 1, stride):
        directory = tmp_path / f"killed-{point}"
        process = controller(directory, fault=f"kill:{point}", intervals=3, durability=durability)
        code = process.wait(timeout=60)
        if code == 0:  # the order of commits varies with time, so the last points may not be reached
            continue
        assert code == -signal.SIGKILL
        study = run(directory, intervals=3, durability=durability)
        assert study.digest() == want, f"killed at point {point} of {total}"
        assert history(directory) == history(reference)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_really_every_point_of_the_store(reference: Path, tmp_path: Path) -> None:
    total = points(tmp_path / "counted", durability=0.0)
    want = pt.Study.open(reference).digest()
    for point in range(1, total + 1):
        directory = tmp_path / f"killed-{point}"
        process = controller(directory, fault=f"kill:{point}", intervals=3, durability=0.0)
        process.wait(timeout=60)
        assert run(directory, intervals=3, durability=0.0).digest() == want, f"killed at point {point} of {total}"


@pytest.mark.parametrize("seed", range(3))
def test_workers_killed_at_random_moments(seed: int, tmp_path: Path) -> None:
    want = run(tmp_path / "undisturbed", slow_climb, intervals=4).digest()
    rng = random.Random(seed)
    stop = threading.Event()

    def murder() -> None:
        for _ in range(3):
            if stop.wait(rng.uniform(0.1, 0.5)):
                return
            with contextlib.suppress(psutil.Error):  # a process may end while it is looked at
                victims = [p for p in psutil.Process().children() if "poptrain.executors.worker" in " ".join(p.cmdline())]
                if victims:
                    rng.choice(victims).send_signal(signal.SIGKILL)

    killer = threading.Thread(target=murder)
    killer.start()
    study = run(tmp_path / "study", slow_climb, intervals=4, executor=Processes(workers=2), durability=0.1)
    stop.set()
    killer.join()
    assert study.digest() == want
    kinds = [event.reason for _, _, event in _events(tmp_path / "study") if isinstance(event, Failed)]
    assert set(kinds) <= {"lost"}


def _events(directory: Path) -> list[Any]:
    journal = Journal.read_only(directory / "study.sqlite")
    found = list(journal.events())
    journal.close()
    return found


def test_a_killed_controller_leaves_no_orphans_and_resumes(tmp_path: Path) -> None:
    want = run(tmp_path / "undisturbed", slow_climb, intervals=20).digest()
    process = controller(tmp_path / "study", "slow_climb", executor="processes", workers=2, durability=0.05, intervals=20)
    journal = tmp_path / "study" / "study.sqlite"
    _wait(lambda: journal.exists() and _reports(tmp_path / "study") >= 6)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert pt.Study.open(tmp_path / "study").status == "interrupted"
    assert run(tmp_path / "study", slow_climb, intervals=20).digest() == want


def _reports(directory: Path) -> int:
    try:
        return sum(row[1] == 0 for row in history(directory))
    except Exception:
        return 0


def _wait(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_interrupted_once_finishes_the_interval_and_resumes(tmp_path: Path) -> None:
    # Long enough to be met in the middle even where a busy machine commits only every second.
    want = run(tmp_path / "undisturbed", slow_climb, intervals=30).digest()
    process = controller(tmp_path / "study", "slow_climb", executor="processes", workers=2, durability=0.05, intervals=30)
    _wait(lambda: _reports(tmp_path / "study") >= 6)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    study = pt.Study.open(tmp_path / "study")
    assert study.status == "paused"
    assert run(tmp_path / "study", slow_climb, intervals=30).digest() == want


def test_a_second_controller_is_refused(tmp_path: Path) -> None:
    process = controller(tmp_path / "study", "slow_climb", intervals=30)
    _wait(lambda: (tmp_path / "study" / "study.sqlite").exists())
    with pytest.raises(StudyLocked, match=str(process.pid)):
        run(tmp_path / "study", slow_climb, intervals=30)
    process.kill()
    process.wait()


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_checkpoint_is_named_and_refused(damage: str, tmp_path: Path) -> None:
    run(tmp_path / "study")
    victim = sorted((tmp_path / "study" / "checkpoints").glob("*.safetensors"))[0]
    data = bytearray(victim.read_bytes())
    if damage == "remove":
        victim.unlink()
    elif damage == "truncate":
        victim.write_bytes(data[:-1])
    else:
        data[-1] ^= 1
        victim.write_bytes(data)
    with pytest.raises(CheckpointError, match=victim.stem):
        run(tmp_path / "study", intervals=9)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "study", intervals=2)
    with pytest.raises(StudyMismatch, match="seed=3, asked for is seed=5"):
        run(tmp_path / "study", intervals=2, seed=5)
    with pytest.raises(StudyMismatch, match="raised, not cut"):
        run(tmp_path / "study", intervals=1)


def test_a_damaged_snapshot_is_an_error_of_the_store(tmp_path: Path) -> None:
    run(tmp_path / "study", intervals=2)
    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.sqlite")) as connection, connection:
        connection.execute("UPDATE snapshot SET data = CAST(REPLACE(CAST(data AS TEXT), '\"rows\"', '\"rots\"') AS BLOB)")
    with pytest.raises(StoreError, match="snapshot cannot be read"):
        run(tmp_path / "study", intervals=4)


def test_an_event_that_cannot_be_read_is_an_error_of_the_store(tmp_path: Path) -> None:
    run(tmp_path / "study", intervals=2)
    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.sqlite")) as connection, connection:
        connection.execute("UPDATE events SET data = '{}' WHERE kind = 'reported' AND member = 0 AND interval = 1")
    with pytest.raises(StoreError, match="cannot be read"):
        pt.Study.open(tmp_path / "study").digest()


def test_a_resume_keeps_the_time_at_which_the_study_was_made(tmp_path: Path) -> None:
    first = run(tmp_path / "study", intervals=2).config.created
    assert run(tmp_path / "study", intervals=3).config.created == first


def test_a_study_from_before_an_option_existed_goes_on(tmp_path: Path) -> None:
    want = run(tmp_path / "whole", intervals=4).digest()
    run(tmp_path / "study", intervals=4, max_seconds=1e-6)
    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.sqlite")) as journal:
        sql = "UPDATE meta SET value = replace(value, ',\"bottom\":null', '') WHERE value LIKE '%,\"bottom\":null%'"
        changed = journal.execute(sql).rowcount
        journal.commit()
    assert changed == 1
    assert run(tmp_path / "study", intervals=4, max_seconds=1e6).digest() == want
