"""The program as a process of its own: signals, pipes, terminals."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from climbers import CLIMB
from journals import small_study

import poptrain as pt
from poptrain.store.journal import Journal

RUN = ["run", "climb.py:slow", "-p", "4", "-i", "5", "--interval-steps", "6", "--exploit", "truncation:0.25", "-d", "study"]
NOTICE = "finishing the interval; press Ctrl-C again to stop at once"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "climb.py").write_text(CLIMB)
    return tmp_path


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "poptrain", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], start: str) -> list[str]:
    """Return the lines up to the first one that begins with `start`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(start):
            return lines
    raise AssertionError(f"no line began with {start!r}: {lines} {process.stderr.read() if process.stderr else ''}")


def wait_for_workers(folder: Path) -> None:
    """Wait until a worker was started; Ctrl-C is a request by then."""
    deadline = time.monotonic() + 30
    while not (folder / "study" / "logs" / "worker-0.log").exists():
        assert time.monotonic() < deadline, "no worker was started"
        time.sleep(0.05)


def wait_for_training(folder: Path) -> None:
    """Wait until the study's first commit is made; the first orders follow it at once."""
    wait_for_workers(folder)
    deadline = time.monotonic() + 30
    while not events_in(folder / "study" / "study.sqlite"):
        assert time.monotonic() < deadline, "nothing was committed"
        time.sleep(0.05)
    time.sleep(0.5)


def events_in(path: Path) -> int:
    if not path.exists():
        return 0
    journal = Journal.read_only(path)
    count = len(list(journal.events()))
    journal.close()
    return count


def poptrain(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "poptrain", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ctrl_c_finishes_the_interval_and_resume_ends_as_if_nothing_had_happened(folder: Path) -> None:
    with started(folder, *RUN) as process:
        wait_for_line(process, "interval 2/5")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert NOTICE in err
    paused = pt.Study.open(folder / "study")
    assert paused.status == "paused"
    assert len(set(paused.completed)) == 1
    done = paused.completed[0]
    assert 2 <= done < 5
    assert f"paused after interval {done} of 5" in err
    assert "go on with: poptrain resume study" in err
    assert "best selection score" not in out

    resumed = poptrain(folder, "resume", "study")
    assert resumed.returncode == 0, resumed.stderr
    shown = [line.split()[1] for line in resumed.stdout.splitlines() if line.startswith("interval")]
    assert shown == [f"{i}/5" for i in range(done + 1, 6)]

    # The same training without its pauses, in one process, in one go.
    whole = poptrain(folder, "run", "climb.py:train", *RUN[2:-1], "whole", "-x", "inline", "-q")
    assert whole.returncode == 0, whole.stderr
    assert pt.Study.open(folder / "study").digest() == pt.Study.open(folder / "whole").digest()


def test_a_second_ctrl_c_stops_at_once(folder: Path) -> None:
    slow = [*RUN[:7], "1000", *RUN[8:]]  # an interval takes 20 seconds
    with started(folder, *slow, "--no-preflight") as process:
        wait_for_training(folder)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
    assert process.returncode == 130
    assert NOTICE in err
    assert "stopped at once; what was committed is kept" in err
    assert "go on with: poptrain resume study" in err
    assert "Traceback" not in err
    assert pt.Study.open(folder / "study").status == "interrupted"


def test_sigterm_pauses_like_ctrl_c(folder: Path) -> None:
    with started(folder, *RUN, "-q") as process:
        wait_for_workers(folder)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert pt.Study.open(folder / "study").status == "paused"
    assert "go on with: poptrain resume study" in err


def in_terminal(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run poptrain on a pseudo-terminal of 100 columns; return its status and everything it drew."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "poptrain", *arguments],
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
    )
    os.close(terminal)
    drawn = b""
    try:
        while True:
            ready, _, _ = select.select([controller], [], [], 30)
            assert ready, "it hangs"
            try:
                piece = os.read(controller, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            drawn += piece
        return process.wait(timeout=10), drawn.decode()
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def test_a_terminal_shows_the_live_picture_and_then_the_result(folder: Path) -> None:
    status, drawn = in_terminal(folder, "run", "toy", "-x", "inline", "-i", "5", NO_COLOR="")
    assert status == 0
    assert "toy in runs/toy" in drawn
    assert "interval 5/5" in drawn
    assert "\x1b[" in drawn
    assert "worst" in drawn.split("best selection score")[0]
    assert "best selection score  objective" in drawn


def test_no_color_means_no_colour_on_a_terminal(folder: Path) -> None:
    status, drawn = in_terminal(folder, "run", "toy", "-x", "inline", "-i", "5", NO_COLOR="1")
    assert status == 0
    assert "interval 5/5" in drawn
    for colour in [*range(30, 38), 90, 91, 92, 93, 94, 95, 96, 97]:
        assert f"\x1b[{colour}m" not in drawn
    assert "38;5;" not in drawn


def test_a_closed_pipe_is_no_disaster(folder: Path) -> None:
    small_study(folder / "study")
    line = f"{sys.executable} -m poptrain lineage study | true"
    ran = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in ran.stderr
