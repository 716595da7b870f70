"""The page: whole, safe and honest."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from crowds import crowd
from journals import StudyWriter, small_study
from plotly.offline import get_plotlyjs

from poptrain.core.events import Failed, HeldOut
from poptrain.report.page import page
from poptrain.results import Study
from poptrain.store.checkpoints import Ref
from poptrain.store.directory import StudyDirectory

EVIL = "</script><script>document.title='run'</script><b onclick=x>"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(autouse=True)
def small_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave five megabytes of plotly out of the pages, except where a page is measured or shown."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("poptrain.report.page.get_plotlyjs", lambda: "var Plotly;")


class Elements(HTMLParser):
    """All elements with their attributes, and the text of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(text: str) -> Elements:
    elements = Elements()
    elements.feed(text)
    return elements


def evil(folder: Path) -> Study:
    writer = StudyWriter(folder, population=2, intervals=2, name=EVIL, metric=EVIL)
    for i in (1, 2):
        for m in range(2):
            writer.report(
                m, i, float(m + i), {"lr": 0.1, "dropout": 0.1}, metrics={EVIL: float(m + i)}, began=1.0 * i, ended=i + 0.5
            )
    writer.add(Failed(member=1, interval=2, reason="error", detail=EVIL))
    writer.add(HeldOut(member=1, interval=2, metrics={EVIL: 0.5}, notes={EVIL: EVIL}))
    writer.best = (Ref(1, 2), {"lr": 0.1, "dropout": 0.1})
    writer.finish()
    return Study.open(folder)


def test_a_name_is_text_wherever_it_stands(tmp_path: Path) -> None:
    study = evil(tmp_path)
    elements = parsed(page(study))
    scripts = [attributes for tag, attributes in elements.found if tag == "script"]
    assert [s.get("type") for s in scripts] == ["application/json", None, None]
    assert not [tag for tag, attributes in elements.found if any(name.startswith("on") for name in attributes)]
    assert any(EVIL in text for text in elements.texts)


def test_only_scripts_with_the_nonce_run_and_nothing_is_loaded(tmp_path: Path) -> None:
    first, second = (page(Study.open(small_study(tmp_path / name))) for name in "ab")
    elements = parsed(first)
    (policy,) = (a["content"] for t, a in elements.found if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    nonces = re.findall(r"'nonce-([^']+)'", policy)
    assert {a["nonce"] for t, a in elements.found if t == "script" and "type" not in a} == set(nonces)
    assert nonces[0] not in second
    assert "unsafe-eval" not in policy
    assert not [(t, a) for t, a in elements.found if t in ("link", "iframe", "img") or "src" in a]
    assert all((a.get("href") or "#").startswith("#") for _, a in elements.found)


def test_the_data_of_the_plots_is_json(tmp_path: Path) -> None:
    text = page(evil(tmp_path))
    (data,) = re.findall(r'<script id="figures" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert set(json.loads(data)) == {"scores", "lineage", "schedule", "diversity", "gains", "utilisation"}
    assert "<" not in data


def test_the_scores_are_called_what_they_are(tmp_path: Path) -> None:
    text = page(evil(tmp_path))
    assert re.search(r"Best selection score</dt><dd>3</dd>", text)
    assert re.search(r"Held-out score</dt><dd>0.5</dd>", text)
    assert "The selection score is the best of many" in page(Study.open(small_study(tmp_path / "other")))


def test_failures_and_what_looks_wrong_come_first(tmp_path: Path) -> None:
    text = page(evil(tmp_path))
    events = text[text.index('<section id="events">') :]
    rows = re.findall(r"<tr.*?</tr>", events, re.DOTALL)
    assert "failed: error" in rows[1]
    assert 'class="failed"' in rows[1]
    assert text.index("1 failure in 4") < text.index('<section id="scores">')


def test_a_study_that_runs_can_be_shown(tmp_path: Path) -> None:
    folder = small_study(tmp_path)
    with StudyDirectory(folder).lock():
        before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".sqlite"}
        text = page(Study.open(folder))
        assert 'class="status running"' in text
        assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


def test_plotly_itself_is_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poptrain.report.page.get_plotlyjs", get_plotlyjs)
    text = page(Study.open(small_study(tmp_path)))
    assert text.count("</script") == text.count("<script ") == 3
    assert len(text) > len(get_plotlyjs()) > 1e6


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_large_study_is_shown_soon_in_a_small_page(tmp_path: Path) -> None:
    folder = crowd(tmp_path, members=1_000, intervals=1_000)
    began = time.perf_counter()
    text = page(Study.open(folder))
    seconds = time.perf_counter() - began
    print(f"{seconds:.1f} s, {len(text.encode()) / 1e6:.1f} MB")
    assert len(text.encode()) < 15e6
    assert seconds < 60  # a few seconds on an idle machine
    assert "200 of 1,000 members are drawn" in text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_draws_the_page_and_runs_no_name(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(evil(tmp_path / "study")), encoding="utf-8")
    command: list[Any] = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--virtual-time-budget=9000",
    ]
    done = subprocess.run(
        [*command, "--window-size=1200,6000", "--dump-dom", file.as_uri()], capture_output=True, text=True, check=True
    )
    assert done.stdout.count('class="main-svg"') >= 6
    assert not re.search("<title>run</title>", done.stdout)
    assert "CONSOLE" not in done.stderr


def test_what_a_task_left_to_look_at_is_shown(tmp_path: Path) -> None:
    from PIL import Image

    study = Study.open(small_study(tmp_path / "s"))
    assert "Pictures" not in page(study)
    Image.new("L", (4, 3), 9).save(tmp_path / "s" / "samples.png")
    Image.new("L", (4, 3), 9).save(tmp_path / "s" / "episode.gif")
    (tmp_path / "s" / "examples.tsv").write_text(f'source\ttranslation\nein "Hund"\t{EVIL}\n', encoding="utf-8")
    shown = page(study)
    elements = Elements()
    elements.feed(shown)
    sources = [attributes["src"] or "" for kind, attributes in elements.found if kind == "img"]
    assert [source.partition(";")[0] for source in sources] == ["data:image/gif", "data:image/png"]
    assert base64.b64decode(sources[1].partition(",")[2]) == (tmp_path / "s" / "samples.png").read_bytes()
    assert {'ein "Hund"', EVIL} <= set(elements.texts)
    assert all(f'<a href="#{name}">' in shown for name in ("pictures", "examples"))


def test_pictures_too_large_for_a_page_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.open(small_study(tmp_path / "s"))
    (tmp_path / "s" / "huge.png").write_bytes(b"x" * 2_000_000)
    monkeypatch.setattr("poptrain.report.pictures._MOST_BYTES", 1_000_000)
    assert "huge.png is left out: it has 2.0 MB." in page(study)


@pytest.mark.parametrize("content", [b"", b"one line only\n", b"\xff\xfe\x00", b"a\x00b\n\x00\n"])
def test_examples_that_cannot_be_read_are_left_out(content: bytes, tmp_path: Path) -> None:
    study = Study.open(small_study(tmp_path / "s"))
    (tmp_path / "s" / "examples.tsv").write_bytes(content)
    assert 'id="members"' in page(study)
