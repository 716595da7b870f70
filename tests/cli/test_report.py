"""`poptrain report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from journals import small_study

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_study(tmp_path / "mine")


def test_a_page_is_written(poptrain: Any, tmp_path: Path) -> None:
    done = poptrain("report", "mine", "-o", "seen.html")
    assert done.status == 0, done.err
    assert done.out.startswith("wrote seen.html (")
    assert "made-up" in (tmp_path / "seen.html").read_text(encoding="utf-8")


def test_the_page_has_a_name_of_its_own(poptrain: Any, tmp_path: Path) -> None:
    assert poptrain("report", "mine").status == 0
    assert (tmp_path / "report.html").exists()


def test_an_image_shows_one_plot(poptrain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import plotly.graph_objects as go

    asked: list[tuple[str, str]] = []

    def to_image(figure: go.Figure, **options: Any) -> bytes:
        asked.append((figure.layout.title.text, options["format"]))
        return b"image"

    monkeypatch.setattr(go.Figure, "to_image", to_image)
    assert poptrain("report", "mine", "--plot", "lineage", "--format", "svg").status == 0
    assert poptrain("report", "mine", "--plot", "scores", "-o", "a.pdf").status == 0
    assert asked == [("Lineage", "svg"), ("Scores", "pdf")]
    assert (tmp_path / "lineage.svg").read_bytes() == b"image"


def test_an_image_without_chrome_says_what_to_do(poptrain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import plotly.graph_objects as go

    def to_image(figure: go.Figure, **options: Any) -> bytes:
        raise RuntimeError("Kaleido requires Google Chrome\nto be installed")

    monkeypatch.setattr(go.Figure, "to_image", to_image)
    done = poptrain("report", "mine", "--plot", "lineage", "-f", "png")
    assert done.status == 2
    assert "(Kaleido requires Google Chrome): install one" in done.said


@pytest.mark.parametrize("wrong", [("--plot", "lineage"), ("-f", "png"), ("-o", "a.txt"), ("-o", "a.png")])
def test_what_cannot_be_is_refused(poptrain: Any, wrong: tuple[str, ...]) -> None:
    assert poptrain("report", "mine", *wrong).status == 2


def test_without_plotly_the_extra_is_named(poptrain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    done = poptrain("report", "mine")
    assert done.status != 0
    assert "poptrain[report]" in done.said
