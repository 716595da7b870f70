"""The dashboard answers those who may ask, shows names as text, and reads a study only when something was committed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from journals import StudyWriter, small_study
from studies import SPACE, climb

import poptrain as pt

pytest.importorskip("starlette")
pytest.importorskip("plotly")

from starlette.testclient import TestClient

from poptrain.dashboard import Guard, Shelf, make_app
from poptrain.dashboard import shelf as shelf_module

HOST = "127.0.0.1:8000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small_study(tmp_path / "one")
    small_study(tmp_path / "deeper" / "two", scores=(0.3, 0.2, 0.1))
    return tmp_path


def client(folder: Path, *, token: str = "secret", host: str = HOST) -> TestClient:
    app = Guard(make_app(Shelf(folder)), token=token, hosts=frozenset((HOST, "localhost:8000")))
    return TestClient(app, base_url=f"http://{host}", follow_redirects=False)


def inside(folder: Path) -> TestClient:
    found = client(folder)
    assert found.get("/?token=secret").status_code == 303
    return found


# Who may ask.


def test_the_token_is_exchanged_once_for_a_cookie_that_scripts_cannot_read(folder: Path) -> None:
    mine = client(folder)
    assert mine.get("/").status_code == 401
    assert mine.get("/?token=wrong").status_code == 401
    answer = mine.get("/?token=secret")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secret" not in cookie
    assert mine.get("/").status_code == 200
    other = TestClient(mine.app, base_url=f"http://{HOST}", follow_redirects=False)
    assert other.get("/?token=secret").status_code == 401
    assert other.get("/", headers={"cookie": "poptrain=guess"}).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_every_verb_but_get_and_head_is_refused(method: str, folder: Path) -> None:
    assert inside(folder).request(method, "/").status_code == 405


def test_head_is_answered(folder: Path) -> None:
    answer = inside(folder).head("/")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:9999", "127.0.0.1", ""])
def test_another_host_gets_nothing(host: str, folder: Path) -> None:
    answer = inside(folder).get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "one" not in answer.text


@pytest.mark.parametrize("path", ["/", "/study/0/", "/parts/studies", "/nowhere"])
def test_every_answer_has_the_headers(path: str, folder: Path) -> None:
    for answer in (inside(folder).get(path), client(folder).get(path)):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


# What is shown.


def test_all_studies_of_a_folder_are_listed(folder: Path) -> None:
    mine = inside(folder)
    page, table = mine.get("/").text, mine.get("/parts/studies").text
    assert "<script>" not in page  # scripts have addresses, none is inline
    assert 'href="/study/0/">deeper/two' in table
    assert 'href="/study/1/">one' in table
    assert mine.get("/plots/comparison").json()["data"][1]["y"][-1] == pt.Study.open(folder / "one").best.score


def test_a_single_study_is_shown_at_once(folder: Path) -> None:
    answer = inside(folder / "one").get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/study/0/")


@pytest.mark.parametrize("part", ["header", "facts", "warnings", "members", "events", "commands"])
def test_every_part_of_a_study(part: str, folder: Path) -> None:
    assert inside(folder).get(f"/study/1/parts/{part}").status_code == 200


@pytest.mark.parametrize("plot", ["scores", "lineage", "schedule", "diversity", "gains", "utilisation"])
def test_every_plot_of_a_study(plot: str, folder: Path) -> None:
    found = inside(folder).get(f"/study/1/plots/{plot}").json()
    assert found["data"] or plot == "utilisation"  # the study was made up, and nobody knows when
    assert found["layout"]["title"]["text"]


@pytest.mark.parametrize(
    "path",
    [
        *("/study/2/", "/study/-1/", "/study/one/", "/study/0/parts/secrets", "/study/0/plots/page"),
        *("/assets/app.py", "/assets/../app.py", "/study/0/pictures/0", "/study/0/../../etc/passwd", "/study/99/changes"),
    ],
)
def test_there_is_nothing_else(path: str, folder: Path) -> None:
    assert inside(folder).get(path).status_code == 404


def test_pictures_are_served_by_their_number(folder: Path) -> None:
    (folder / "one" / "pictures.png").write_bytes(b"a picture")
    (folder / "one" / "notes.txt").write_bytes(b"no picture")
    mine = inside(folder)
    assert 'src="/study/1/pictures/0"' in mine.get("/study/1/").text
    answer = mine.get("/study/1/pictures/0")
    assert (answer.content, answer.headers["content-type"]) == (b"a picture", "image/png")
    assert mine.get("/study/1/pictures/1").status_code == 404


def test_names_are_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    writer = StudyWriter(tmp_path / "study", population=1, intervals=1, name=evil, metric=evil)
    writer.report(0, 1, 0.5, {"lr": 0.1, "dropout": 0.0}, metrics={evil: 0.5})
    writer.finish()
    mine = inside(tmp_path)
    for path in ("/parts/studies", *(f"/study/0/parts/{p}" for p in ("header", "facts", "members", "events", "commands"))):
        assert "<script" not in mine.get(path).text


def test_a_study_that_cannot_be_read_is_named_and_the_others_are_shown(folder: Path) -> None:
    (folder / "one" / "study.sqlite").write_bytes(b"no journal at all" * 100)
    mine = inside(folder)
    table = mine.get("/parts/studies").text
    assert "deeper/two" in table
    assert "study.sqlite" in table
    assert mine.get("/study/1/parts/facts").status_code == 503


# How often a study is read.


def test_a_study_is_read_again_only_after_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {
        "metric": "height",
        "population": 2,
        "interval_steps": 1,
        "executor": "inline",
        "preflight": False,
    }
    pt.tune(climb, SPACE, intervals=2, directory=tmp_path / "s", algorithm=pt.RandomSearch(), **options)
    monkeypatch.setattr(shelf_module, "_LEAST_SECONDS", 0.0)
    shelf = Shelf(tmp_path)
    made: list[int] = []

    def note(study: pt.Study) -> int:
        made.append(sum(study.completed))
        return made[-1]

    assert [shelf.make(0, "note", note) for _ in range(5)] == [4] * 5
    assert made == [4]
    before = shelf.signature(0)
    pt.tune(climb, SPACE, intervals=3, directory=tmp_path / "s", algorithm=pt.RandomSearch(), **options)
    assert shelf.signature(0) != before
    assert shelf.make(0, "note", note) == 6
    assert made == [4, 6]


def test_a_commit_during_the_rest_is_announced_after_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(shelf_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    shelf = Shelf(folder / "one")

    def slowly(study: pt.Study) -> float:
        now[0] += 3.0
        return now[0]

    first, before = shelf.make(0, "slow", slowly), shelf.signature(0)
    os.utime(folder / "one" / "study.sqlite", (1, 1))
    now[0] = first + 20.0
    assert (shelf.signature(0), shelf.make(0, "slow", slowly)) == (before, first), "ten times three seconds are not over"
    now[0] = first + 30.0
    assert shelf.signature(0) != before
    assert shelf.make(0, "slow", slowly) > first


def test_studies_keep_their_numbers_when_others_appear(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(folder)
    assert [shelf.name(i) for i in range(len(shelf))] == ["deeper/two", "one"]
    small_study(folder / "another")
    shelf.search()
    assert len(shelf) == 2, "the folder is not searched at every question"
    monkeypatch.setattr(shelf, "_searched", -1e9)
    shelf.search()
    assert [shelf.name(i) for i in range(len(shelf))] == ["deeper/two", "one", "another"]


def test_links_are_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    small_study(elsewhere / "private")
    (folder / "link").symlink_to(elsewhere)
    assert len(Shelf(folder)) == 2
