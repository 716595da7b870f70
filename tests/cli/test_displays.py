"""Progress, line by line and live."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from rich.console import Console

from poptrain.cli.progress import LiveDisplay, PlainDisplay, SilentDisplay, Standing, make_display, progress_line
from poptrain.engine import Progress
from poptrain.engine.preflight import PreflightReport


def progress(interval: int = 3, **changes: Any) -> Progress:
    fields: dict[str, Any] = {
        "interval": interval,
        "intervals": 20,
        "scores": (41.2, 2.0, 30.1),
        "completed": (interval,) * 3,
        "best": 41.2,
        "best_member": 0,
        "best_interval": interval,
        "copies": 2,
        "failures": 0,
        "steps": interval * 30,
        "total_steps": 600,
        "seconds": 35.0,
        "remaining_seconds": 130.0,
    }
    return Progress(**{**fields, **changes})


def test_the_plain_line_to_the_letter() -> None:
    want = "interval 3/20  best 41.2 (m0)  median 30.1  worst 2  copies 2  failures 0  elapsed 0:35  left 2:10"
    assert progress_line(progress(), "max") == want


def test_where_lower_is_better_the_worst_is_the_highest() -> None:
    line = progress_line(progress(best=2.0, best_member=1), "min")
    assert "best 2 (m1)  median 30.1  worst 41.2 " in line


def test_before_any_score_there_are_dashes() -> None:
    line = progress_line(progress(scores=(None, None), best=None, best_member=-1, remaining_seconds=None), "max")
    assert "best -  median -  worst -" in line
    assert line.endswith("left -")


def test_failed_members_do_not_count() -> None:
    assert Standing.of((None, 3.0, 1.0), "max") == Standing(2.0, 1.0)


def test_one_line_for_each_interval_in_asynchronous_studies_too() -> None:
    stream = io.StringIO()
    with PlainDisplay(stream, "max") as display:
        for interval in (0, 0, 1, 1, 1, 2, 1, 2, 3):
            display.progress(progress(interval))
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["1/20", "2/20", "3/20"]


def test_the_preflight_is_one_line() -> None:
    stream = io.StringIO()
    report = PreflightReport(
        state_bytes=1_200_000,
        step_seconds=0.1,
        evaluate_seconds=0.1,
        total_seconds=35.0,
        disk_bytes=45_000_000,
        free_bytes=30_000_000_000,
        exact=False,
    )
    PlainDisplay(stream, "max").preflight(report)
    assert stream.getvalue() == (
        "preflight: a state has 1.2 MB and is restored to within rounding; the study needs about 0:35 and at most 45.0 MB "
        "of disk (30.0 GB free)\n"
    )


def live(width: int = 100) -> tuple[LiveDisplay, io.StringIO]:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, height=40, color_system=None)
    return LiveDisplay(console, "max", title="toy in runs/toy", metric="bleu"), stream


def last_picture(display: LiveDisplay, stream: io.StringIO) -> str:
    stream.truncate(0)
    display.close()
    return stream.getvalue()


def test_the_live_picture_has_every_member_and_the_state_of_things() -> None:
    display, stream = live()
    with display:
        display.progress(progress(scores=(41.2, None, 30.1)))
        text = last_picture(display, stream)
    assert "toy in runs/toy" in text
    assert "interval 3/20" in text
    assert "best 41.2 (m0)   median 35.65   worst 30.1   copies 2   failures 0" in text
    assert "m0      41.2 ████████" in text
    assert "m1    failed" in text
    assert "m2      30.1 ▏" in text
    assert "press Ctrl-C again" not in text


def test_large_populations_have_summary_lines_only() -> None:
    display, stream = live()
    with display:
        display.progress(progress(scores=(1.0,) * 25, completed=(3,) * 25))
        text = last_picture(display, stream)
    assert "median 1" in text
    assert "m7" not in text


def test_after_ctrl_c_the_live_picture_says_what_happens() -> None:
    display, stream = live()
    with display:
        display.progress(progress())
        display.interrupted()
        text = last_picture(display, stream)
    assert "finishing the interval; press Ctrl-C again to stop at once" in text


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_live_picture_fits_the_terminal(width: int) -> None:
    display, stream = live(width)
    with display:
        display.progress(progress(scores=tuple(float(i) * 1.37 for i in range(24)), completed=(3,) * 24))
        text = last_picture(display, stream)
    shown = [line for line in text.splitlines() if "█" in line or "elapsed" in line]
    assert shown
    assert max(map(len, shown)) <= width
    assert "…" not in text


def test_the_display_fits_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"title": "t", "metric": "m"}
    assert isinstance(make_display("max", quiet=True, to_stderr=False, **options), SilentDisplay)
    assert isinstance(make_display("max", quiet=False, to_stderr=False, **options), PlainDisplay)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(make_display("max", quiet=False, to_stderr=True, **options), LiveDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display("max", quiet=False, to_stderr=True, **options), PlainDisplay)


def test_silence_is_broken_for_ctrl_c_only(capfd: pytest.CaptureFixture[str]) -> None:
    with SilentDisplay() as display:
        display.say("nothing")
        display.progress(progress())
        display.interrupted()
    out, err = capfd.readouterr()
    assert (out, err.strip()) == ("", "finishing the interval; press Ctrl-C again to stop at once")
