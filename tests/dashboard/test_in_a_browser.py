"""The pages in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from climbers import CLIMB
from journals import StudyWriter
from studies import climb, run

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("starlette")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    found = browser.new_page(viewport={"width": 1200, "height": 900})
    found.set_default_timeout(30_000)
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    yield found
    found.close()
    assert wrong == []


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    running: list[subprocess.Popen[str]] = []

    def of(folder: Path) -> str:
        command = [sys.executable, "-m", "poptrain", "dashboard", str(folder)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path))
        out = running[-1].stdout
        assert out is not None
        found = re.search(r"http\S+", out.readline())
        assert found is not None
        return found[0]

    yield of
    for process in running:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.timeout(120)
def test_a_running_study_s_new_interval_appears_without_a_reload(serve: Any, page: Any, tmp_path: Path) -> None:
    (tmp_path / "climb.py").write_text(CLIMB)
    command = [sys.executable, "-m", "poptrain", "run", "climb.py:slow", "-p", "4", "-i", "30", "--interval-steps", "15"]
    study = subprocess.Popen([*command, "-x", "inline", "-d", "runs/slow", "-q", "--exploit", "truncation:0.25"], cwd=tmp_path)
    try:
        while not (tmp_path / "runs/slow/study.sqlite").exists():
            assert study.poll() is None
        page.goto(serve(tmp_path / "runs/slow"))
        page.wait_for_selector("[data-part=facts] dd")
        page.evaluate("window.here = true")
        first = page.inner_text("[data-part=facts]")
        page.wait_for_function("text => document.querySelector('[data-part=facts]').innerText !== text", arg=first)
        assert page.evaluate("window.here") is True, "the page was loaded again"
        assert page.inner_text("#connection") == "live"
        page.wait_for_selector("#scores .plot .main-svg")
    finally:
        study.kill()
        study.wait()


@pytest.mark.timeout(120)
def test_a_click_on_the_lineage_says_what_happened_there(serve: Any, page: Any, tmp_path: Path) -> None:
    run(tmp_path / "study", climb)
    page.goto(serve(tmp_path / "study"))
    plot = page.locator("#lineage .plot")
    plot.scroll_into_view_if_needed()
    page.wait_for_selector("#lineage .plot .point")
    page.locator("#lineage .plot .point").first.click(force=True)
    page.wait_for_function("document.getElementById('detail-lineage').textContent.includes('interval')")
    assert "pace" in page.inner_text("#detail-lineage")


@pytest.mark.timeout(120)
def test_a_study_named_like_a_script_runs_nothing(serve: Any, page: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"
    writer = StudyWriter(tmp_path / "study", population=2, intervals=1, name=evil, metric=evil)
    for member in range(2):
        writer.report(member, 1, 0.5 + member, {"lr": 0.1, "dropout": 0.0}, metrics={evil: 0.5})
    writer.finish()
    page.goto(serve(tmp_path / "study"))
    page.wait_for_selector("[data-part=header] h1")
    page.locator("#utilisation").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    assert "<script>" in page.inner_text("[data-part=header] h1")
    assert "pwned" not in page.title()
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.timeout(120)
def test_the_report_opens_without_a_network(page: Any, tmp_path: Path) -> None:
    from poptrain.report.page import page as report

    file = tmp_path / "report.html"
    file.write_text(report(run(tmp_path / "study", climb)), encoding="utf-8")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("#scores .plot .main-svg")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    rows = page.locator("#members tbody tr")
    assert rows.count() == 6
    page.fill("#filter-members", "m3")
    assert page.locator("#members tbody tr:visible").count() == 1
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
