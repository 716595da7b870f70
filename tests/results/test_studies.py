"""Studies read from journals that were written by hand."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from journals import StudyWriter, small_study

import poptrain as pt
from poptrain.core.errors import CheckpointError, MissingExtra, StoreError, StudyLocked
from poptrain.core.events import Failed, HeldOut, Paused, Replaced, Resumed, Started
from poptrain.results import MemberView
from poptrain.store.checkpoints import Ref
from poptrain.store.directory import StudyDirectory
from poptrain.store.journal import Journal
from poptrain.store.tensorfile import write_state

LOW = {"lr": 0.1, "dropout": 0.0}


@pytest.fixture
def study(tmp_path: Path) -> pt.Study:
    return pt.Study.open(small_study(tmp_path / "study"))


# What it is.


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no study in"):
        pt.Study.open(tmp_path)


def test_a_finished_study_tells_its_story(study: pt.Study) -> None:
    assert (study.status, study.because, study.finished) == ("finished", "the end", True)
    assert (study.name, study.completed, study.intervals_left, study.steps) == ("made-up", (2, 2, 2), 0, 60)
    assert (study.copies, study.failures, study.held_out) == (1, (), None)
    assert study.space == pt.Space({"lr": pt.Float(1e-4, 1.0, log=True), "dropout": pt.Float(0.0, 0.5)})
    assert len(study.reports()) == 6
    assert [r.interval for r in study.reports(1)] == [1, 2]
    assert repr(study).startswith("Study('made-up', finished, ")


def test_members_are_shown_as_they_last_reported(study: pt.Study) -> None:
    assert study.members()[0] == MemberView(0, 2, 1.6, {"lr": 0.36, "dropout": 0.0}, 1)
    assert [m.score for m in study.members()] == [1.6, 1.2, 1.3]


def test_a_member_that_never_reported_has_its_first_hyperparameters(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=2)
    writer.add(Started(member=0, hparams=LOW), Started(member=1, hparams={"lr": 0.5, "dropout": 0.1}))
    writer.report(0, 1, 0.5, LOW)
    writer.close()
    members = pt.Study.open(tmp_path / "study").members()
    assert members[1] == MemberView(1, 0, None, {"lr": 0.5, "dropout": 0.1}, 0)
    assert members[0].interval == 1


@pytest.mark.parametrize(
    ("endings", "status"),
    [
        ((), "interrupted"),
        ((Paused(because="asked to"),), "paused"),
        ((Paused(because="asked to"), Resumed()), "interrupted"),
    ],
)
def test_the_status_follows_the_last_ending(tmp_path: Path, endings: tuple[Any, ...], status: str) -> None:
    writer = StudyWriter(tmp_path / "study")
    writer.add(Started(member=0, hparams=LOW), *endings)
    writer.close()
    study = pt.Study.open(tmp_path / "study")
    assert study.status == status
    assert not study.finished
    assert study.because == ("asked to" if status == "paused" else "")


def test_a_study_whose_lock_is_held_is_running(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    with StudyDirectory(folder).lock():
        running = pt.Study.open(folder)
        assert running.status == "running"
        assert running.finished  # the journal says so, whoever holds the lock
        with pytest.raises(StudyLocked, match="is being run by process"):
            running.verify()
    assert pt.Study.open(folder).status == "finished"


# The best.


def test_the_best_is_the_checkpoint_that_the_study_keeps(study: pt.Study) -> None:
    best = study.best
    assert (best.member, best.interval, best.score, dict(best.hparams)) == (0, 2, 1.6, {"lr": 0.36, "dropout": 0.0})
    assert best.load() == {"weights": [0.0]}
    assert best.path == study.directory / "checkpoints" / "m0000-i000002.safetensors"
    assert best.schedule == study.schedule
    assert [(s.start_step, s.end_step, s.member) for s in study.schedule.spans] == [(0, 10, 2), (10, 20, 0)]


def test_among_equal_scores_the_order_of_arrival_does_not_choose(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=2)
    writer.report(1, 1, 0.5, LOW)  # arrived first, but the engine keeps m0's
    writer.report(0, 1, 0.5, LOW)
    writer.best = (Ref(0, 1), LOW)
    writer.close()
    assert pt.Study.open(tmp_path / "study").best.member == 0


def test_without_a_score_there_is_no_best(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study")
    writer.report(0, 1, None, LOW)
    writer.close()
    study = pt.Study.open(tmp_path / "study")
    assert not study.scored
    assert study.schedule == pt.Schedule([])
    with pytest.raises(StoreError, match="has no score yet"):
        _ = study.best


def test_a_best_that_the_journal_never_saw_is_refused(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study")
    writer.best = (Ref(2, 7), LOW)
    writer.close()
    with pytest.raises(StoreError, match="no report of its best checkpoint m0002-i000007"):
        _ = pt.Study.open(tmp_path / "study").best


def test_held_out_scores_are_kept_apart(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study")
    writer.report(0, 1, 0.9, LOW)
    writer.add(
        HeldOut(member=0, interval=1, metrics={"score": 0.1}),
        HeldOut(member=0, interval=1, metrics={"score": 0.7}, notes={"signature": "v1"}),
    )
    writer.best = (Ref(0, 1), LOW)
    writer.finish()
    study = pt.Study.open(tmp_path / "study")
    assert study.best.score == 0.9
    assert study.held_out == HeldOut(member=0, interval=1, metrics={"score": 0.7}, notes={"signature": "v1"})


def test_failures_and_replays_are_counted_as_what_they_are(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study")
    writer.add(Failed(member=1, interval=1, reason="lost", detail="gone"))
    own = Replaced(member=1, interval=1, donor=1, donor_interval=1, hparams=LOW, weights=False, because="schedule")
    writer.add(own)
    writer.close()
    study = pt.Study.open(tmp_path / "study")
    assert [failure.reason for failure in study.failures] == ["lost"]
    assert study.copies == 0
    assert [member.copies for member in study.members()] == [0, 0, 0]
    assert study.lineage.copies == (own,)


# Reading changes nothing, and shows one moment.


def test_reading_leaves_every_file_as_it_is(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    study = pt.Study.open(folder)
    _ = study.status, study.best.load(), study.schedule, study.lineage, study.members(), study.digest(), study.verify()
    assert {path: path.read_bytes() for path in before} == before


def test_a_study_stays_as_it_was_when_it_was_opened(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path / "study", population=1)
    writer.add(Started(member=0, hparams=LOW))
    writer.report(0, 1, 0.1, LOW)
    writer.best = (Ref(0, 1), LOW)
    writer.commit(seconds=2.5)
    early = pt.Study.open(tmp_path / "study")
    writer.report(0, 2, 0.9, LOW)
    writer.best = (Ref(0, 2), LOW)
    writer.finish()
    late = pt.Study.open(tmp_path / "study")
    assert (early.completed, early.best.score, len(early.reports()), early.finished) == ((1,), 0.1, 1, False)
    assert (early.seconds, early.lineage.completed, early.digest()) != (late.seconds, late.lineage.completed, late.digest())
    assert (late.completed, late.best.score, len(late.reports()), late.finished) == ((2,), 0.9, 2, True)


# As a table.


def test_a_table_has_a_row_for_each_report(study: pt.Study) -> None:
    frame = study.to_pandas()
    assert list(frame.columns) == [
        *("member", "interval", "steps", "selection_score", "worker", "began", "ended"),
        *("metric.score", "hparam.lr", "hparam.dropout"),
    ]
    last = frame.iloc[-1].to_dict()
    assert (last["member"], last["interval"], last["steps"], last["selection_score"], last["hparam.lr"]) == (
        2,
        2,
        20,
        1.3,
        pytest.approx(0.3),
    )


def test_a_study_without_reports_is_an_empty_table(tmp_path: Path) -> None:
    StudyWriter(tmp_path / "study").close()
    assert list(pt.Study.open(tmp_path / "study").to_pandas().columns)[:2] == ["member", "interval"]


def test_without_pandas_it_names_the_extra(study: pt.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"pip install 'poptrain\[pandas\]'"):
        study.to_pandas()


# The digest.


def digest(folder: Path, **options: Any) -> str:
    return pt.Study.open(small_study(folder, **options)).digest()


def test_the_digest_does_not_depend_on_arrival_workers_or_time(tmp_path: Path) -> None:
    want = digest(tmp_path / "a")
    assert digest(tmp_path / "b", arrival=(2, 0, 1)) == want
    assert digest(tmp_path / "c", worker=7, began=1.0, ended=99.0, evaluate_seconds=2.0) == want
    assert digest(tmp_path / "d", metrics={"score": 0.0, "seconds": 17.3}) == want


def test_the_digest_shows_another_score(tmp_path: Path) -> None:
    assert digest(tmp_path / "a") != digest(tmp_path / "b", scores=(0.1, 0.2, 0.30001))


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE events SET data = replace(data, '"lr":0.36', '"lr":0.37') WHERE kind = 'reported'""",
        """UPDATE events SET data = replace(data, '"donor":2', '"donor":1') WHERE kind = 'replaced'""",
        """UPDATE events SET data = replace(data, '"donor_interval":1', '"donor_interval":0') WHERE kind = 'replaced'""",
        """UPDATE events SET data = replace(data, '"weights":true', '"weights":false') WHERE kind = 'replaced'""",
        """UPDATE events SET data = replace(data, '"lr":0.36', '"lr":0.37') WHERE kind = 'replaced'""",
        """DELETE FROM events WHERE kind = 'replaced'""",
        """UPDATE events SET data = replace(data, '"digest":"', '"digest":"0') WHERE kind = 'saved'""",
    ],
    ids=["hparams", "donor", "donor interval", "weights", "copied hparams", "copy", "state"],
)
def test_the_digest_shows_every_other_change(tmp_path: Path, sql: str) -> None:
    folder = small_study(tmp_path / "study")
    want = pt.Study.open(folder).digest()
    with sqlite3.connect(folder / "study.sqlite") as connection:
        assert connection.execute(sql).rowcount > 0
    connection.close()
    assert pt.Study.open(folder).digest() != want


# Verification.


def test_a_whole_study_is_verified(study: pt.Study) -> None:
    assert study.verify() == 3


def test_an_altered_state_is_named(study: pt.Study) -> None:
    data = bytearray(study.best.path.read_bytes())
    data[-1] ^= 1
    study.best.path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"m0000-i000002\.safetensors was altered"):
        study.verify()


def test_a_missing_state_is_named(study: pt.Study) -> None:
    study.best.path.unlink()
    with pytest.raises(CheckpointError, match=r"m0000-i000002\.safetensors cannot be read"):
        study.verify()


def test_a_state_that_was_exchanged_with_its_manifest_is_named(study: pt.Study) -> None:
    store, ref = study.best.checkpoints, Ref(0, 2)
    write_state(store.path(ref), {"weights": [666.0]})
    store.seal(ref, score=None, hparams={})
    store.verify(ref)  # by itself it looks whole
    with pytest.raises(CheckpointError, match="was exchanged"):
        study.verify()


def test_a_checkpoint_that_nobody_saved_is_refused(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    with sqlite3.connect(folder / "study.sqlite") as connection:
        connection.execute("DELETE FROM events WHERE kind = 'saved'")
    connection.close()
    with pytest.raises(StoreError, match="never saved the state"):
        pt.Study.open(folder).verify()


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    data = bytearray((folder / "study.sqlite").read_bytes())
    for i in range(4096, len(data), 97):
        data[i] ^= 0xFF
    (folder / "study.sqlite").write_bytes(bytes(data))
    with pytest.raises(StoreError):
        pt.Study.open(folder).verify()


def test_a_snapshot_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    journal = Journal.open(folder / "study.sqlite")
    journal.commit(b'{"best": 3}')
    journal.close()
    with pytest.raises(StoreError, match="snapshot that cannot be read"):
        pt.Study.open(folder)


def test_a_study_may_be_moved(tmp_path: Path) -> None:
    folder = small_study(tmp_path / "study")
    want = pt.Study.open(folder).digest()
    moved = shutil.move(folder, tmp_path / "elsewhere")
    study = pt.Study.open(moved)
    assert study.digest() == want
    assert study.best.load() == {"weights": [0.0]}
    assert hashlib.sha256(study.best.path.read_bytes()).hexdigest() == study.best.checkpoints.manifest(Ref(0, 2)).digest
