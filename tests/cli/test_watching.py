"""`poptrain watch` and `poptrain export`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from climbers import CLIMB

import poptrain as pt


def test_a_finished_study_is_shown_once(poptrain: Any) -> None:
    poptrain("run", "toy", "-x", "inline", "-i", 3, "-d", "runs/mine")
    shown = poptrain("watch", "runs/mine")
    assert shown.status == 0
    assert "finished" in shown.out
    assert "best selection score" in shown.out


def test_a_study_that_runs_elsewhere_is_followed_to_its_end(poptrain: Any, tmp_path: Path) -> None:
    (tmp_path / "climb.py").write_text(CLIMB)
    command = [
        sys.executable,
        "-m",
        "poptrain",
        "run",
        "climb.py:slow",
        "-p",
        "4",
        "-i",
        "12",
        "--interval-steps",
        "5",
        "-x",
        "inline",
    ]
    study = subprocess.Popen([*command, "-d", "runs/slow", "--quiet", "--exploit", "truncation:0.25"], cwd=tmp_path)
    end = time.monotonic() + 30
    while not (tmp_path / "runs/slow/study.sqlite").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    shown = poptrain("watch", "runs/slow", "--every", 0.1)
    assert study.wait(timeout=30) == 0
    assert shown.status == 0
    assert "interval 12/12" in shown.out
    assert "finished" in shown.out


@pytest.mark.parametrize("tool", ["csv", "optuna"])
def test_a_study_is_exported_into_its_folder(tool: str, poptrain: Any) -> None:
    if tool == "optuna":
        pytest.importorskip("optuna")
    poptrain("run", "toy", "-x", "inline", "-i", 3, "-d", "runs/mine")
    done = poptrain("export", "runs/mine", "--to", tool)
    assert done.status == 0, done.err
    assert len(list(pt.Study.open("runs/mine").directory.glob("study.csv" if tool == "csv" else "optuna.log"))) == 1
    again = poptrain("export", "runs/mine", "--to", tool)
    assert again.status == 2
    assert "is there already" in again.said
    assert poptrain("export", "runs/mine", "--to", "excel").status == 2


def test_a_study_is_written_for_other_tools_while_it_is_trained(poptrain: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    small = ("-p", "3", "--interval-steps", "2", "-x", "inline", "--no-preflight")
    done = poptrain("run", "toy-plain", *small, "-i", "2", "-d", "s", "--live", "tensorboard")
    assert done.status == 0, done.err
    assert "written live to s/tensorboard" in done.out + done.err
    assert sorted(path.name for path in (tmp_path / "s" / "tensorboard").iterdir() if path.name[0] == "m") == ["m0", "m1", "m2"]
    assert poptrain("resume", "s", "-i", "3", "--live", "tensorboard").status == 0
    again = poptrain("export", "s", "--to", "tensorboard", "--follow")
    assert again.status == 0, again.err
    assert "tensorboard --logdir s/tensorboard" in again.out
    assert poptrain("export", "s", "--to", "csv", "--follow").status == 2
    assert "is there already" in poptrain("export", "s", "--to", "tensorboard").err
