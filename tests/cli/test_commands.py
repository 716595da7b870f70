"""Every command, on small studies."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from climbers import CLIMB
from crowds import crowd
from journals import StudyWriter, small_study

import poptrain as pt
from poptrain.cli import app as program
from poptrain.core.events import HeldOut
from poptrain.core.version import __version__
from poptrain.store.checkpoints import Ref
from poptrain.store.directory import StudyDirectory

FAST = ("-x", "inline", "-i", "4", "--interval-steps", "3", "-p", "4", "--exploit", "truncation:0.25")


@pytest.fixture
def climb(tmp_path: Path) -> Path:
    file = tmp_path / "climb.py"
    file.write_text(CLIMB)
    return file


# Running.


def test_a_task_runs_to_its_end(poptrain: Any) -> None:
    done = poptrain("run", "toy", "-x", "inline", "-i", 5, "-d", "runs/mine")
    assert done.status == 0
    assert [line.split("  ")[0] for line in done.out.splitlines() if line.startswith("interval")] == [
        f"interval {i}/5" for i in range(1, 6)
    ]
    assert "best selection score  objective " in done.out
    assert "held-out score        not measured; the selection score is the best of many, so it flatters" in done.out
    assert "schedule over the 20 steps that made it" in done.out
    study = pt.Study.open("runs/mine")
    assert str(study.best.path) in done.out
    assert (study.status, study.completed) == ("finished", (5, 5))


def test_your_own_function_runs_from_a_file(poptrain: Any, climb: Path) -> None:
    done = poptrain("run", "climb.py:train", *FAST, "--json")
    assert done.status == 0, done.err
    assert done.json["best"]["interval"] == 4
    assert done.json["held_out"] == {
        "member": done.json["best"]["member"],
        "interval": 4,
        "metrics": {"height elsewhere": 0.25},
        "notes": {},
    }
    assert "selection_score" in done.json["best"]
    assert "interval 4/4" in done.err
    assert done.json["directory"] == "runs/train"


def test_your_own_function_runs_from_a_module(poptrain: Any, climb: Path) -> None:
    climb.rename(climb.with_name("climb_module_for_test.py"))
    done = poptrain("run", "climb_module_for_test:train", *FAST, "-q")
    assert done.status == 0, done.err
    assert pt.Study.open("runs/train").config.code.kind == "module"


def test_a_configuration_says_everything_and_flags_win(poptrain: Any, climb: Path, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        """
        target = "climb.py:train"
        directory = "runs/from-file"
        population = 6
        intervals = 2
        interval_steps = 2
        executor = "inline"
        seed = 5
        exploit = "tournament"
        [space]
        pace = {type = "float", low = 0.1, high = 0.2}
        noise = 0.25
        """
    )
    done = poptrain("run", "-c", "study.toml", "-p", 3, "-q")
    assert done.status == 0, done.err
    study = pt.Study.open("runs/from-file")
    assert (study.config.population, study.config.intervals, study.config.seed) == (3, 2, 5)
    assert study.config.algorithm["exploit"]["class"].endswith(":Tournament")
    assert study.space == pt.Space({"pace": pt.Float(0.1, 0.2), "noise": 0.25})


def test_settings_reach_the_task(poptrain: Any) -> None:
    done = poptrain("run", "toy-plain", "-s", "factor=1.5", *FAST, "-q")
    assert done.status == 0, done.err
    assert pt.Study.open("runs/toy-plain").config.code.settings == {"factor": "1.5"}


def test_the_same_line_resumes_and_a_finished_study_is_left_alone(poptrain: Any, climb: Path) -> None:
    first = poptrain("run", "climb.py:train", *FAST)
    digest = pt.Study.open("runs/train").digest()
    again = poptrain("run", "climb.py:train", *FAST)
    assert (first.status, again.status) == (0, 0)
    assert "going on with the study in runs/train: 4 of 4 intervals" in again.out
    assert "interval 4/4" not in again.out
    assert pt.Study.open("runs/train").digest() == digest


def test_resume_raises_the_intervals(poptrain: Any, climb: Path) -> None:
    poptrain("run", "climb.py:train", *FAST, "-q")
    more = poptrain("resume", "runs/train", "-i", 6)
    assert more.status == 0, more.err
    assert [line.split()[1] for line in more.out.splitlines() if line.startswith("interval")] == ["5/6", "6/6"]
    held = pt.Study.open("runs/train").held_out
    assert held is not None
    assert held.interval == 6  # HELD_OUT of the file is found again
    whole = poptrain("run", "climb.py:train", *FAST, "-i", 6, "-d", "runs/whole", "-q")
    assert whole.status == 0
    assert [r.hparams for r in pt.Study.open("runs/train").reports(0)][:4] == [
        r.hparams for r in pt.Study.open("runs/whole").reports(0)
    ][:4]


def test_max_seconds_ends_early(poptrain: Any, climb: Path) -> None:
    done = poptrain("run", "climb.py:slow", *FAST, "-i", 50, "--max-seconds", 0.5, "-q")
    assert done.status == 0
    assert "the budget of 0.5 seconds is spent" in done.out
    assert max(pt.Study.open("runs/slow").completed) < 50


def test_a_user_error_shows_its_traceback_and_how_to_see_it_again(poptrain: Any, climb: Path) -> None:
    failed = poptrain("run", "climb.py:broken", *FAST)
    assert failed.status == 1
    assert "error: member 2, interval 2" in failed.err
    assert "ValueError: the [bold]third[/bold] member stumbled" in failed.err
    assert 'raise ValueError("the [bold]third[/bold] member stumbled")' in failed.err
    assert failed.err.strip().endswith("poptrain resume runs/broken --executor inline")
    assert "src/poptrain/cli" not in failed.err
    again = poptrain("resume", "runs/broken", "--executor", "inline")
    assert again.status == 1
    assert "member stumbled" in again.err


def test_an_error_may_count_as_diverged(poptrain: Any, climb: Path) -> None:
    done = poptrain("run", "climb.py:broken", *FAST, "--on-error", "diverge", "-q")
    assert done.status == 0
    assert {failure.member for failure in pt.Study.open("runs/broken").failures} == {2}


def test_a_study_in_which_everybody_failed_is_a_failure(poptrain: Any, climb: Path) -> None:
    failed = poptrain("run", "climb.py:hopeless", *FAST, "--no-preflight")
    assert failed.status == 1
    assert "all 4 members failed" in failed.out
    assert "no member has a score yet" in failed.out


def test_a_file_that_cannot_be_imported_shows_its_own_traceback_only(poptrain: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nosuchthing_anywhere\n")
    failed = poptrain("run", "bad.py:train")
    assert failed.status == 1
    assert "bad.py cannot be imported: ModuleNotFoundError: No module named 'nosuchthing_anywhere'" in failed.err
    assert 'bad.py", line 1' in failed.err
    assert "importlib" not in failed.err
    assert "src/poptrain" not in failed.err


# Mistakes: status 2 and a message that helps.

MISTAKES: list[tuple[tuple[Any, ...], str]] = [
    (("run",), "name what to train"),
    (("run", "tpy"), "there is no task 'tpy': did you mean 'toy'?"),
    (("run", "climb.py"), "climb.py is a file: name the function in it, as in climb.py:train"),
    (("run", "climb.py:trian", *FAST), "has no 'trian': it has Climber, train"),
    (("run", "none.py:train"), "there is no file"),
    (("run", "no_such_module:train"), "there is no module 'no_such_module'"),
    (("run", "toy", "--populaton", 3), "--population"),
    (("run", "toy", "-p", "many"), "valid integer"),
    (("run", "toy", "-p", 0), "greater than or equal to 1"),
    (("run", "toy", "--executor", "cluster"), "'auto', 'processes', 'vectorised', 'inline'"),
    (("run", "toy", "--algorithm", "pbd"), "'pbt', 'pb2'"),
    (("run", "toy", "--mode", "up"), "'max', 'min'"),
    (("run", "toy", "--on-error", "cry"), "'stop', 'diverge'"),
    (("run", "toy", "--exploit", "truncaton"), "did you mean 'truncation'?"),
    (("run", "toy", "--explore", "resampel:0.2"), "did you mean 'resample'?"),
    (("run", "toy", "--max-seconds", -1), "max_seconds must be more than 0"),
    (("run", "toy", "--set", "factor"), "--set takes KEY=VALUE, got 'factor'"),
    (("run", "toy-plain", "--set", "factr=2"), "no setting 'factr': did you mean 'factor'?"),
    (("run", "toy-plain", "--set", "factor=two"), "a setting of the task 'toy-plain' is not valid"),
    (("run", "climb.py:train", "--set", "width=2"), "settings (width) are for built-in tasks"),
    (("run", "toy", "--config", "none.toml"), "none.toml cannot be read"),
    (("run", "climb.py:train", "-m", "hieght", *FAST), "hieght"),
    (("run", "toy", "-d", "what?"), "1 to 64 letters, digits"),
    (("statsu", "x"), "Did you mean 'status'?"),
    (("status",), "Missing argument 'STUDY'"),
    (("status", "nowhere"), "there is no study in nowhere"),
    (("resume", "nowhere"), "there is no study in nowhere"),
    (("verify", "nowhere"), "there is no study in nowhere"),
    (("translate", "nowhere"), "there is no study in nowhere"),
    (("replay", "nowhere"), "there is no study in nowhere"),
    (("lineage", "."), "there is no study in .: it has hand-made inside"),
    (("schedule", "hand-made", "--csv", "--json"), "--csv and --json exclude each other"),
    (("schedule", "hand-made", "-o", "plan.txt"), "the file is to end in .csv or .json, got plan.txt"),
    (("replay", "hand-made", "-d", "hand-made"), "a replay is a study of its own"),
    (("resume", "hand-made"), "lives in the program that made it"),
    (("translate", "hand-made"), "is not a study of the translation task"),
    (("tasks", "tyo"), "did you mean 'toy'?"),
    (("tasks", "climb.py:train"), "is not a built-in task"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=lambda v: " ".join(map(str, v)) if isinstance(v, tuple) else "")
def test_mistakes(poptrain: Any, climb: Path, tmp_path: Path, line: tuple[Any, ...], message: str) -> None:
    small_study(tmp_path / "hand-made")
    refused = poptrain(*line)
    assert message in refused.said
    assert "Traceback" not in refused.err
    # A metric that is never reported shows in the preflight, when the code has run: that is its failure.
    assert refused.status == (1 if "hieght" in line or "what?" in line else 2)


def test_a_target_needs_metric_and_space(poptrain: Any, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("def train(member): ...\n")
    assert "pass --metric NAME, or define METRIC" in poptrain("run", "bare.py:train").said
    missing = poptrain("run", "bare.py:train", "-m", "score")
    assert missing.status == 2
    assert "define SPACE = {...} beside it, or a table [space] in the configuration" in missing.said


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("toy-plain", "-s", "factor=1.5"), "holds a study with factor=1.2, asked for is factor=1.5"),
        (("toy-plain", "-p", "5"), "holds a study with population=4, asked for is population=5"),
        (("toy-plain", "--seed", "1"), "holds a study with seed=0, asked for is seed=1"),
        (("toy-plain", "-i", "3"), "a budget can be raised, not cut"),
        (("toy",), "holds a study of toy-plain, asked for is toy"),
    ],
)
def test_another_study_in_the_folder_is_refused(poptrain: Any, changed: tuple[str, ...], message: str) -> None:
    assert poptrain("run", "toy-plain", *FAST, "-d", "mine", "-q").status == 0
    target, *options = changed
    refused = poptrain("run", target, *FAST, *options, "-d", "mine")
    assert refused.status == 2
    assert message in refused.said


def test_a_running_study_is_left_alone(poptrain: Any, tmp_path: Path) -> None:
    poptrain("run", "toy", "-x", "inline", "-i", 2, "-q")
    with StudyDirectory(tmp_path / "runs/toy").lock():
        refused = poptrain("run", "toy", "-x", "inline", "-i", 2)
        assert refused.status == 1
        assert "is being run by process" in refused.said
        assert poptrain("status", "runs/toy").out.splitlines()[1].split() == ["status", "running"]
        assert poptrain("verify", "runs/toy").status == 1


# Looking.


def test_status_shows_scores_by_their_names(poptrain: Any, tmp_path: Path) -> None:
    small_study(tmp_path / "study")
    shown = poptrain("status", "study")
    assert shown.status == 0
    lines = shown.out.splitlines()
    assert lines[1] == "status     finished (the end)"
    assert lines[2] == "intervals  6 of 6 (100%): 3 members, 2 intervals each"
    table = lines[lines.index(next(line for line in lines if line.startswith("member "))) :]
    assert table[0].split() == ["member", "interval", "selection", "score", "copies", "lr", "dropout"]
    assert [row.split() for row in table[1:]] == [
        ["m0", "2", "1.6", "1", "0.36", "0"],
        ["m2", "2", "1.3", "0", "0.3", "0"],
        ["m1", "2", "1.2", "0", "0.2", "0"],
    ]


def test_status_says_how_to_go_on(poptrain: Any, tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=1)
    writer.report(0, 1, None, {"lr": 0.1, "dropout": 0.0})
    writer.pause()
    shown = poptrain("status", "study")
    assert "paused (go on with: poptrain resume study)" in shown.out
    assert "failed" in shown.out
    assert "no member has a score yet" in shown.out


def test_status_looks_for_warnings_in_a_large_study_only_when_asked(
    poptrain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(tmp_path / "study", members=10, intervals=40)
    assert "warning (diversity)" in poptrain("status", "study").out
    assert "warning" not in poptrain("status", "study", "--no-warnings").out
    monkeypatch.setattr("poptrain.cli.status._MOST_REPORTS", 399)
    shown = poptrain("status", "study").out
    assert "warning (" not in shown
    assert "--warnings" in shown
    assert json.loads(poptrain("status", "study", "--json").out)["warnings"] is None
    assert "warning (diversity)" in poptrain("status", "study", "--warnings").out


def test_status_lists_the_best_of_a_crowd(poptrain: Any, tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=50, mode="min")
    for m in range(50):
        writer.report(m, 1, float(m), {"lr": 0.1, "dropout": 0.0})
    writer.finish()
    shown = poptrain("status", "study")
    assert next(line.split()[0] for line in shown.out.splitlines() if line[:2] in ("m0", "m3")) == "m0"
    assert "m39 " in shown.out
    assert "m40 " not in shown.out
    assert "and 10 more with lower ranks (--all lists them)" in shown.out
    assert "m49 " in poptrain("status", "study", "--all").out


def test_wide_tables_stack_the_words_of_their_headings(poptrain: Any, tmp_path: Path) -> None:
    hparams = {f"a_rather_long_name_{i}": 0.125 for i in range(8)}
    space = pt.Space({name: pt.Float(0.0, 1.0) for name in hparams})
    writer = StudyWriter(tmp_path / "study", population=2, space=space.to_json())
    for m in range(2):
        writer.report(m, 1, float(m), hparams)
    writer.best = (Ref(1, 1), hparams)
    writer.finish()
    lines = poptrain("status", "study").out.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:3] == ["member", "interval", "score"] for line in lines)
    assert sum("a_rather_long_name_" in line for line in lines) > 1  # the best one's are packed into several lines


def test_held_out_and_selection_score_are_never_mixed_up(poptrain: Any, tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=1)
    for interval, score in ((1, 0.25), (2, 0.75)):
        writer.report(0, interval, score, {"lr": 0.1, "dropout": 0.0})
    writer.add(HeldOut(member=0, interval=1, metrics={"bleu": 12.5}, notes={"signature": "nrefs:1|case:mixed"}))
    writer.best = (Ref(0, 2), {"lr": 0.1, "dropout": 0.0})
    writer.finish()
    text = poptrain("best", "study").out
    assert "best selection score  score 0.75  (m0 after interval 2)" in text
    assert "held-out score        bleu 12.5  (of m0 after interval 1, which is not the best any more)" in text
    assert "signature:  nrefs:1|case:mixed" in text
    found = poptrain("best", "study", "--json").json
    assert found["best"]["selection_score"] == 0.75
    assert found["held_out"]["metrics"] == {"bleu": 12.5}


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (("status", "study"), {"status", "best", "members", "copies"}),
        (("best", "study"), {"best", "held_out", "metric"}),
        (("schedule", "study"), {"format", "steps", "spans"}),
        (("lineage", "study"), {"population", "copies", "winning", "alive_ancestors"}),
        (("verify", "study"), {"digest", "checkpoints", "whole"}),
        (("tasks",), {"toy", "translation"}),
        (("tasks", "toy-plain"), {"factor"}),
        (("doctor",), {"python", "torch", "cores", "disk_free_bytes", "extras"}),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_json_is_json(poptrain: Any, tmp_path: Path, line: tuple[str, ...], keys: set[str]) -> None:
    small_study(tmp_path / "study")
    shown = poptrain(*line, "--json")
    assert shown.status == 0
    assert keys <= set(shown.json)
    assert shown.err == ""


def test_the_schedule_comes_out_in_every_format(poptrain: Any, tmp_path: Path) -> None:
    study = pt.Study.open(small_study(tmp_path / "study"))
    text = poptrain("schedule", "study").out
    assert text.startswith("20 steps to the best checkpoint: 2 spans, trained by 2 members\n")
    assert "lr       0.3 -> 0.36  ▁" in text
    assert "dropout    0 throughout" in text
    assert "log axis" in text
    rows = list(csv.DictReader(poptrain("schedule", "study", "--csv").out.splitlines()))
    assert [row["end_step"] for row in rows] == ["10", "20"]
    assert pt.Schedule.from_json(poptrain("schedule", "study", "--json").json) == study.schedule
    assert poptrain("schedule", "study", "-o", "plan.json").out == ""
    assert pt.Schedule.from_json(json.loads((tmp_path / "plan.json").read_text())) == study.schedule
    poptrain("schedule", "study", "-o", "plan.csv")
    assert (tmp_path / "plan.csv").read_text() == study.schedule.to_csv()
    unwritable = poptrain("schedule", "study", "-o", "no/such/plan.csv")
    assert (unwritable.status, "cannot be written" in unwritable.err) == (1, True)


def test_the_lineage_is_drawn_without_colour_where_there_is_no_terminal(poptrain: Any, tmp_path: Path) -> None:
    small_study(tmp_path / "study")
    text = poptrain("lineage", "study").out
    assert "\x1b" not in text
    assert "m0 " in text
    assert "2▸━" in text
    assert "●" in text
    assert "1 copy; today's 3 members descend from 2 of those that began" in text


def test_colour_is_there_on_a_terminal_and_gone_with_no_color(
    poptrain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_study(tmp_path / "study")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    green, yellow = "\x1b[1;32m", "\x1b[33m"
    assert green in poptrain("lineage", "study").out
    monkeypatch.setenv("NO_COLOR", "1")
    plain = poptrain("lineage", "study").out
    assert green not in plain
    assert yellow not in plain
    assert "2▸━" in re.sub("\x1b\\[[0-9;]*m", "", plain)


def test_of_a_crowd_only_the_winning_line_is_drawn(poptrain: Any, tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=60)
    for m in range(60):
        writer.report(m, 1, float(m), {"lr": 0.1, "dropout": 0.0})
    writer.best = (Ref(59, 1), {"lr": 0.1, "dropout": 0.0})
    writer.finish()
    text = poptrain("lineage", "study").out
    assert "m59 " in text
    assert "m58 " not in text
    assert "59 members off the winning line are not drawn (--all draws them)" in text
    assert "m58 " in poptrain("lineage", "study", "--all").out


def test_verify_names_what_is_broken(poptrain: Any, tmp_path: Path) -> None:
    study = pt.Study.open(small_study(tmp_path / "study"))
    whole = poptrain("verify", "study")
    assert whole.status == 0
    assert study.digest() in whole.out
    assert "the journal and 3 checkpoints" in whole.out
    study.best.path.write_bytes(b"something else")
    broken = poptrain("verify", "study")
    assert broken.status == 1
    assert str(study.best.path.relative_to(tmp_path)) in broken.err


# Using the result.


def test_a_replay_trains_fresh_networks_under_the_schedule(poptrain: Any, climb: Path) -> None:
    poptrain("run", "climb.py:train", *FAST, "-q")
    original = pt.Study.open("runs/train")
    done = poptrain("replay", "runs/train", "-k", 3, "-x", "inline", "-q")
    assert done.status == 0, done.err
    fresh = pt.Study.open("runs/train-replay")
    assert (fresh.config.population, fresh.completed, fresh.copies) == (3, (4, 4, 4), 0)
    for report in fresh.reports():
        assert dict(report.hparams) == dict(original.schedule.at((report.interval - 1) * 3))
    assert len({report.score for report in fresh.reports() if report.interval == 4}) == 3  # each from a state of its own
    assert "fresh networks  height " in done.out
    assert "(the best of 16 scores)" in done.out
    again = poptrain("replay", "runs/train", "-k", 3, "-x", "inline", "-q", "--json")
    assert again.json["selection_scores"] == [member.score for member in fresh.members()]
    assert again.json["original"]["best_selection_score"] == original.best.score


def test_a_task_can_be_replayed(poptrain: Any) -> None:
    poptrain("run", "toy", "-x", "inline", "-i", 6, "-q")
    done = poptrain("replay", "runs/toy", "-k", 2, "-x", "inline", "-q", "--json")
    # The toy has no randomness of its own: the schedule alone makes its score.
    assert done.json["selection_scores"] == [pytest.approx(done.json["original"]["best_selection_score"])] * 2


def test_empty_lines_stay_empty_in_translation() -> None:
    from poptrain.cli.translate import translate_lines

    class Upper:
        def translate(self, sentences: list[str]) -> list[str]:
            assert all(sentences)
            return [sentence.upper() for sentence in sentences]

    lines: Any = translate_lines
    assert lines(Upper(), ["a", "", " ", "b"]) == ["A", "", "", "B"]
    assert lines(Upper(), ["", ""]) == ["", ""]


# The program itself.


def test_the_version(poptrain: Any) -> None:
    assert poptrain("--version").out == f"poptrain {__version__}\n"


@pytest.mark.parametrize(
    "command", [command.callback.__name__ for command in program.app.registered_commands if command.callback]
)
def test_every_command_and_option_has_help(poptrain: Any, command: str) -> None:
    shown = poptrain(command, "--help")
    assert shown.status == 0
    options = next(c for c in program.app.registered_commands if c.callback and c.callback.__name__ == command).callback
    assert options is not None
    assert (options.__doc__ or "").split(".")[0].split(",")[0] in shown.said
    assert command in poptrain("--help").out
    for box in shown.out.split("╭")[1:]:
        for row in (line.strip("│ ") for line in box.splitlines()[1:]):
            assert not row.startswith("--") or len(row.split("  ")) > 1, f"{row} has no help"


def test_nothing_heavy_is_imported_for_help(poptrain: Any) -> None:
    code = (
        "import sys\nfrom poptrain.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'sentencepiece', 'babel', 'rich.live') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert ran.stdout.strip().endswith("[]")
