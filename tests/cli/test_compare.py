"""`poptrain compare`, on small studies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from climbers import CLIMB

SMALL = ("-x", "inline", "-i", 4, "--interval-steps", 3, "-p", 5)


@pytest.fixture
def climb(tmp_path: Path) -> Path:
    file = tmp_path / "climb.py"
    file.write_text(CLIMB)
    return file


def test_a_comparison_ends_with_a_table_sentences_and_files(poptrain: Any, climb: Path) -> None:
    done = poptrain("compare", "climb.py:train", "-m", "pbt,random,manual", "--manual", "pace=0.5,noise=0.1", "-k", 2, *SMALL)
    assert done.status == 0, done.err
    assert "3 methods, 2 seeds each, 60 member-steps a study (5 members, 4 intervals of 3 steps)" in done.out
    assert "study 6 of 6: manual tuning, seed 1: best selection score" in done.out
    assert re.search(
        r"^manual tuning ahead of random search in 2 of 2 seeds, difference [0-9.]+ height \(selection\)",
        done.out,
        re.MULTILINE,
    )
    folder = Path("runs/compare-train")
    for name in ("comparison.html", "curves.png", "curves.svg", "studies.csv", "results.json", "comparison.json"):
        assert (folder / name).stat().st_size > 0
    again = poptrain("compare", folder, "--json")
    assert again.json == json.loads((folder / "results.json").read_text())
    assert [m["method"] for m in again.json["methods"]] == ["pbt", "random", "manual"]
    assert {study["steps"] for study in again.json["studies"]} == {60}
    assert [study["method"] for study in again.json["studies"]][:3] == ["pbt", "random", "manual"]


def test_the_page_needs_neither_network_nor_script(poptrain: Any, climb: Path) -> None:
    poptrain("compare", "climb.py:train", "-m", "pbt,random", "-k", 1, *SMALL, "-d", "runs/c")
    page = Path("runs/c/comparison.html").read_text()
    assert "<script" not in page
    assert "default-src &#x27;none&#x27;" in page
    outside = [link for link in re.findall(r"https?://[^\"' <)]+", page) if "www.w3.org" not in link]
    assert outside == []
    assert "held-out" in page.lower()
    assert page.count("<svg") == 1


def test_a_comparison_is_extended_in_place(poptrain: Any, climb: Path) -> None:
    poptrain("compare", "climb.py:train", "-m", "pbt,random", "-k", 1, *SMALL, "-d", "runs/c", "--replay", 0)
    more = poptrain("compare", "runs/c", "-k", 2)
    assert more.status == 0, more.err
    assert "study 1 of 4" not in more.out
    assert "study 3 of 4: PBT, seed 1" in more.out
    other = poptrain(
        "compare", "climb.py:train", "-m", "asha", "-m", "asha,random", "-k", 2, *SMALL, "-d", "runs/c", "--replay", 0
    )
    assert "study 3 of 6: ASHA, seed 0" in other.out


def test_a_budget_is_divided_into_intervals(poptrain: Any, climb: Path) -> None:
    done = poptrain(
        "compare", "climb.py:train", "-m", "pbt,random", "-k", 1, "-p", 5, "--interval-steps", 3, "--budget", 50, "-x", "inline"
    )
    assert "45 member-steps a study (5 members, 3 intervals of 3 steps)" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "pbt,randem"), "did you mean 'random'?"),
        (("-m", "pbt"), "at least two methods"),
        (("-m", "pbt,manual"), "--manual"),
        (("-m", "pbt,manual", "--manual", "pace=0.5"), "'noise' is missing"),
        (("--budget", 10), "--budget 800 or more"),
        (("--budget", 10000, "-i", 3), "the same thing twice"),
        (("-b", "grid", "-m", "pbt,random"), "the baseline 'grid' is not compared"),
        (("--mode", "up"), "mode must be max or min"),
        (("-m", "fire-pbt,random", "-p", 3), "population=5 or more"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    arguments: tuple[Any, ...], message: str, poptrain: Any, climb: Path
) -> None:
    done = poptrain("compare", "climb.py:train", "-x", "inline", "-d", "runs/c", *arguments)
    assert done.status != 0
    assert message in done.said
    assert not Path("runs/c").exists()


def test_a_reopened_comparison_knows_its_terms(poptrain: Any, climb: Path) -> None:
    poptrain("compare", "climb.py:train", "-m", "pbt,random", "-k", 1, *SMALL, "-d", "runs/c")
    done = poptrain("compare", "runs/c", "-p", 9, "-m", "pbt,asha")
    assert done.status != 0
    assert "knows its --methods, --population" in done.said
