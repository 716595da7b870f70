"""The picture of a lineage, as text."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from poptrain.core.events import Replaced
from poptrain.results import Lineage, draw, picture


def copy(member: int, interval: int, donor: int) -> Replaced:
    return Replaced(
        member=member, interval=interval, donor=donor, donor_interval=interval, weights=True, hparams={}, because="worse"
    )


def crowd(population: int, intervals: int) -> Lineage:
    order = random.Random(population)
    copies = [
        copy(member, i, order.randrange(population))
        for i in range(1, intervals)
        for member in range(population)
        if order.random() < 0.2
    ]
    return Lineage(population, [intervals] * population, copies)


def test_small_picture_to_the_letter() -> None:
    lineage = Lineage(3, [4, 4, 3], [copy(0, 2, 1)], [(2, 2)])
    want = """
   1     2     3     4
m0 ────────────1▸━━━━━━━━━●
m1 ━━━━━━━━━━━━────────────
m2 ───────────×──────

━━ led to the best checkpoint ●    ── other training    3▸ weights copied from m3    × failed
"""
    assert draw(lineage, (0, 4), width=100) == want.strip("\n")


@pytest.mark.parametrize(("population", "intervals"), [(1, 1), (2, 50), (8, 20), (16, 40), (40, 100), (40, 7), (200, 1000)])
@pytest.mark.parametrize("width", [60, 100, 160])
def test_it_fits_the_width(population: int, intervals: int, width: int) -> None:
    lineage = crowd(population, intervals)
    lines = draw(lineage, (population // 2, intervals), width=width).splitlines()
    assert len(lines) >= population + 3
    assert max(map(len, lines[: population + 1])) <= width
    assert sum("●" in line for line in lines[1 : population + 1]) == 1


def test_every_copy_of_the_winning_line_is_named() -> None:
    lineage = crowd(16, 60)  # two intervals and more in a cell
    path = lineage.ancestry(3, 60)
    rows = draw(lineage, (3, 60)).splitlines()[1:17]
    for before, after in pairwise(path):
        assert f"{before.member}▸" in rows[after.member]
    for origin in path:
        assert "━" in rows[origin.member] or "●" in rows[origin.member]


def test_members_that_did_not_win_have_light_lines_only() -> None:
    rows = draw(Lineage(2, [3, 3], []), (0, 2)).splitlines()
    assert rows[1].count("━") > 0
    assert rows[2].count("━") == 0


def test_pieces_join_to_the_plain_picture_and_name_their_style() -> None:
    lineage = crowd(8, 12)
    lines = picture(lineage, (1, 12))
    assert "\n".join("".join(text for text, _ in line).rstrip() for line in lines) == draw(lineage, (1, 12))
    styles = {style for line in lines for _, style in line}
    assert {"winning", "other", "copy", "best", "label"} <= styles


def test_only_the_asked_members_are_drawn() -> None:
    rows = draw(crowd(100, 5), (7, 5), members=[3, 7]).splitlines()
    assert [row.split()[0] for row in rows[1:3]] == ["m3", "m7"]
    assert rows[3] == ""


def test_before_the_first_interval_it_says_so() -> None:
    assert draw(Lineage(2, [0, 0], []), None) == "no interval has been completed yet"


def test_members_behind_the_others_have_shorter_lines() -> None:
    rows = draw(Lineage(2, [6, 3], []), None).splitlines()
    assert len(rows[1]) - 3 == 2 * (len(rows[2]) - 3)
