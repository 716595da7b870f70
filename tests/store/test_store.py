"""Journal, checkpoints and folder: what was committed stays, and what is damaged is named."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from poptrain.core.errors import CheckpointError, DiskFull, StoreError, StudyLocked
from poptrain.core.events import Event, Failed, Finished, HeldOut, Paused, Replaced, Reported, Resumed, Saved, Started
from poptrain.store import CheckpointStore, Journal, Ref, StudyDirectory
from poptrain.store import journal as journals
from poptrain.store.tensorfile import write_state

EVENTS: list[Event] = [
    Started(member=0, hparams={"lr": 0.1, "kind": "a", "on": True, "n": 3, "none": None}),
    Reported(
        member=0, interval=1, score=0.5, metrics={"a": 0.5, "b": None}, hparams={"lr": 0.1}, steps=10, began=1.5, ended=2.5
    ),
    Reported(member=1, interval=1, score=None, metrics={}, hparams={"lr": 0.1}, steps=10),
    Saved(member=0, interval=1, digest="ab", nbytes=12),
    Replaced(member=1, interval=1, donor=0, donor_interval=1, hparams={"lr": 0.2}, weights=True, because="it lost"),
    Failed(member=1, interval=1, reason="lost", detail="<script>", worker=1),
    Paused(because="interrupted"),
    Resumed(),
    HeldOut(member=0, interval=1, metrics={"bleu": 12.5}, notes={"signature": "x|y"}),
    Finished(because="done"),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.create(tmp_path / "study.sqlite", '{"a": 1}')
    yield made
    made.close()


def test_every_kind_of_event_comes_back_equal(journal: Journal) -> None:
    for event in EVENTS:
        journal.append(event, 7.5)
    assert list(journal.events()) == []
    journal.commit(b"snapshot")
    found = list(journal.events())
    assert [event for _, _, event in found] == EVENTS
    assert [seq for seq, _, _ in found] == list(range(1, len(EVENTS) + 1))
    assert {at for _, at, _ in found} == {7.5}
    assert journal.latest_snapshot() == (len(EVENTS), b"snapshot")


def test_events_are_found_by_kind_member_and_place(journal: Journal) -> None:
    for event in EVENTS:
        journal.append(event, 0.0)
    journal.commit(b"")
    assert [e for _, _, e in journal.events(kinds=[Reported])] == EVENTS[1:3]
    assert [e for _, _, e in journal.events(kinds=["reported", "saved"], member=0)] == [EVENTS[1], EVENTS[3]]
    assert [e for _, _, e in journal.events(after=8)] == EVENTS[8:]


def test_what_was_discarded_or_not_committed_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    journal = Journal.create(path, "{}")
    journal.append(EVENTS[0], 0.0)
    journal.commit(b"one")
    journal.append(EVENTS[1], 0.0)
    journal.discard()
    journal.append(EVENTS[2], 0.0)
    journal.close()
    again = Journal.open(path)
    assert [e for _, _, e in again.events()] == [EVENTS[0]]
    assert again.latest_snapshot() == (1, b"one")
    again.close()


def test_readers_look_on_while_it_is_written(tmp_path: Path, journal: Journal) -> None:
    reader = Journal.read_only(tmp_path / "study.sqlite")
    for number in range(3):
        journal.append(EVENTS[0], float(number))
        journal.commit(b"")
        assert len(list(reader.events())) == number + 1
    with pytest.raises(StoreError):
        reader.query("DELETE FROM events")
    assert reader.config == '{"a": 1}'
    reader.close()


def test_journals_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    with pytest.raises(StoreError, match="there is no journal"):
        Journal.open(path)
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match=r"study\.sqlite cannot be used"):
        Journal.open(path)
    with pytest.raises(StoreError, match="exists already"):
        Journal.create(path, "{}")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    Journal.create(path, "{}").close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"version 99.*upgrade"):
        Journal.open(path)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    (tmp_path / "checkpoints").mkdir()
    return CheckpointStore(tmp_path / "checkpoints")


def sealed(store: CheckpointStore, ref: Ref) -> None:
    write_state(store.path(ref), {"w": np.arange(10) + ref.member, "n": ref.interval})
    store.seal(ref, score=0.5, hparams={"lr": 0.1})


def test_a_checkpoint_exists_with_its_manifest(store: CheckpointStore) -> None:
    ref = Ref(3, 12)
    write_state(store.path(ref), {"w": np.arange(10)})
    assert store.sealed() == set()
    store.seal(ref, score=0.5, hparams={"lr": 0.1})
    assert store.sealed() == {ref}
    assert Ref.of(store.path(ref)) == ref
    manifest = store.verify(ref)
    assert (manifest.score, manifest.hparams) == (0.5, {"lr": 0.1})
    assert store.load(ref)["w"].tolist() == list(range(10))


def test_sealing_twice_is_sealing_once(store: CheckpointStore) -> None:
    sealed(store, Ref(0, 1))
    first = store.manifest_path(Ref(0, 1)).read_bytes()
    store.seal(Ref(0, 1), score=0.5, hparams={"lr": 0.1})
    assert store.manifest_path(Ref(0, 1)).read_bytes() == first


def test_damage_is_named(store: CheckpointStore) -> None:
    ref = Ref(0, 1)
    sealed(store, ref)
    path, manifest = store.path(ref), store.manifest_path(ref)
    whole, about = path.read_bytes(), manifest.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(CheckpointError, match=r"m0000-i000001\.safetensors was altered"):
            store.load(ref)
    path.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match="is torn"):
        store.verify(ref)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        store.verify(ref)
    path.write_bytes(whole)
    for position in range(0, len(about), 5):
        manifest.write_bytes(about[:position] + bytes([about[position] ^ 1]) + about[position + 1 :])
        with pytest.raises(CheckpointError, match=r"m0000-i000001\.json|newer version"):
            store.verify(ref)
    manifest.write_bytes(about.replace(b"0.5", b"0.9"))
    with pytest.raises(CheckpointError, match="its hash"):
        store.verify(ref)
    manifest.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        store.verify(ref)


def test_deletion_keeps_what_it_is_told_to(store: CheckpointStore, tmp_path: Path) -> None:
    for member in range(4):
        sealed(store, Ref(member, 1))
    write_state(store.path(Ref(9, 9)), {})
    (tmp_path / "checkpoints" / "m0001-i000002.safetensors.77.tmp").touch()
    store.delete([Ref(0, 1)])
    assert store.sealed() == {Ref(1, 1), Ref(2, 1), Ref(3, 1)}
    store.delete_except({Ref(2, 1)})
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["m0002-i000001.json", "m0002-i000001.safetensors"]
    store.verify(Ref(2, 1))


SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import numpy as np
    from poptrain.core.events import Resumed
    from poptrain.store import CheckpointStore, Journal, Ref
    from poptrain.store.tensorfile import write_state

    folder = Path(sys.argv[1])
    journal, store = Journal.create(folder / "study.sqlite", "{}"), CheckpointStore(folder)
    for i in range(1, 4):
        write_state(store.path(Ref(0, i)), {"w": np.full(50, i)})
        store.seal(Ref(0, i), score=1.0, hparams={})
        journal.append(Resumed(because=str(i)), 0.0)
        journal.commit(str(i).encode())
        store.delete([Ref(0, i - 1)])
    """
)


def script(folder: Path, fault: str) -> int:
    environment = {**os.environ, "POPTRAIN_FAULT": fault}
    return subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], env=environment, check=False).returncode


def test_killed_at_every_point_only_whole_things_exist(tmp_path: Path) -> None:
    counted = tmp_path / "count"
    (tmp_path / "all").mkdir()
    assert script(tmp_path / "all", f"count:{counted}") == 0
    total = int(counted.read_text())
    assert total > 25
    for point in range(1, total + 1, 2):
        folder = tmp_path / str(point)
        folder.mkdir()
        assert script(folder, f"kill:{point}") == -signal.SIGKILL
        store = CheckpointStore(folder)
        for ref in store.sealed():
            assert store.load(ref)["w"].tolist() == [ref.interval] * 50
        if not (folder / "study.sqlite").exists():
            continue
        journal = Journal.open(folder / "study.sqlite")
        count = len(list(journal.events()))
        latest = journal.latest_snapshot()
        assert latest == (None if count == 0 else (count, str(count).encode()))
        if count:
            assert Ref(0, count) in store.sealed(), "states come before the rows that name them"
        journal.close()


def test_a_second_owner_is_refused_and_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    directory = StudyDirectory(tmp_path / "study")
    directory.create()
    code = (
        "import sys, time; from poptrain.store import StudyDirectory\n"
        "with StudyDirectory(sys.argv[1]).lock():\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(directory.path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert directory.locked()
        with pytest.raises(StudyLocked, match=f"process {other.pid} on"), directory.lock():
            pass
        other.kill()
        other.wait()
        assert not directory.locked()
        with directory.lock():
            assert directory.locked()


def test_names_of_studies_are_checked(tmp_path: Path) -> None:
    for name in ("a b", "ü", "x" * 65, "<script>"):
        with pytest.raises(StoreError, match="letters, digits"):
            StudyDirectory(tmp_path / name).create()


def test_config_is_json(journal: Journal) -> None:
    assert json.loads(journal.config) == {"a": 1}
    journal.set_config('{"a": 2}')
    assert json.loads(journal.config) == {"a": 2}


DAMAGE = {
    "an event that is no JSON": "UPDATE events SET data = '{' WHERE seq = 2",
    "an event of an unknown kind": "UPDATE events SET kind = 'zzz' WHERE seq = 2",
    "an event without its fields": "UPDATE events SET data = '{}' WHERE seq = 2",
    "no version": "DELETE FROM meta",
    "a version that is no number": "UPDATE meta SET value = 'x' WHERE key = 'version'",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_journal_is_an_error_of_the_store(name: str, tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite"
    made = Journal.create(path, "{}")
    for event in EVENTS:
        made.append(event, 7.5)
    made.commit(b"snapshot")
    made.close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(DAMAGE[name])
    with pytest.raises(StoreError, match=r"study\.sqlite.* backup"), contextlib.closing(Journal.open(path)) as journal:
        list(journal.events())


def test_a_manifest_that_is_no_text_is_named(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    write_state(store.path(Ref(0, 1)), {"x": np.zeros(3)})
    store.seal(Ref(0, 1), score=0.5, hparams={"kind": "abc"})
    path = store.manifest_path(Ref(0, 1))
    path.write_bytes(path.read_bytes().replace(b"abc", b"a\xe4c"))
    with pytest.raises(CheckpointError, match=r"m0000-i000001\.json is damaged"):
        store.manifest(Ref(0, 1))


def test_a_new_journal_needs_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second connection keeps SQLite from moving a write-ahead log into the file, as a full disk does."""
    others: list[sqlite3.Connection] = []

    def look(name: str) -> None:
        if name == "before the commit of a new journal":
            others.append(sqlite3.connect(tmp_path / "study.sqlite.new"))
            others[0].execute("SELECT COUNT(*) FROM sqlite_master").fetchall()

    monkeypatch.setattr(journals, "point", look)
    made = Journal.create(tmp_path / "study.sqlite", '{"a": 1}')
    assert made.config == '{"a": 1}'
    made.close()
    others[0].close()


def test_no_room_for_the_index_of_a_journal_is_a_full_disk(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    with pytest.raises(DiskFull, match="free some room"), journals._translated(tmp_path):
        raise error
