"""The lineage as text: members down, intervals across."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from poptrain.results.lineage import Lineage

__all__ = ["Piece", "Style", "draw", "picture"]

Style: TypeAlias = Literal["plain", "label", "winning", "copy", "best", "failed", "other"]
Piece: TypeAlias = tuple[str, Style]
"""A text and what it shows, for those who colour it."""

_WIDEST_CELL = 6


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where things lie.

    Args:
        label: columns of the members' names.
        cell: columns of a cell.
        group: intervals in a cell.
        cells: cells in a row.
    """

    label: int
    cell: int
    group: int
    cells: int


def picture(
    lineage: Lineage, best: tuple[int, int] | None, *, width: int = 100, members: Sequence[int] | None = None
) -> list[list[Piece]]:
    """Return a picture of `width` columns or fewer, as lines of pieces.

    A row is a member, a cell one interval (or several, where a row would be too long). Heavy lines were trained on the way to
    the best checkpoint ``●``, light ones were not; ``3▸`` before an interval says that the weights of member 3 arrived,
    ``○`` that the member began anew, and ``×`` that the interval failed. Nothing needs colour to be understood.

    Args:
        lineage: the study's.
        best: (member, interval) of the best checkpoint; None where there is none.
        width: columns to fill, >= 40.
        members: the rows to draw; None for all.
    """
    intervals = max(lineage.completed, default=0)
    if not intervals:
        return [[("no interval has been completed yet", "plain")]]
    grid = _grid(lineage.population, intervals, width)
    winning = _winning(lineage, best)
    rows = [_row(lineage, m, grid, winning, best) for m in (range(lineage.population) if members is None else members)]
    return [_scale(grid), *rows, [], *_legend(grid, bool(lineage.failed), bool(lineage.restarts))]


def draw(lineage: Lineage, best: tuple[int, int] | None, *, width: int = 100, members: Sequence[int] | None = None) -> str:
    """Return `picture` as plain text."""
    lines = picture(lineage, best, width=width, members=members)
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def _grid(population: int, intervals: int, width: int) -> _Grid:
    digits = len(str(population - 1))
    label, least = digits + 2, digits + 2
    room = max(least, width - label)
    group = -(-intervals * least // room)
    cells = -(-intervals // group)
    return _Grid(label, max(least, min(_WIDEST_CELL, room // cells)), group, cells)


def _winning(lineage: Lineage, best: tuple[int, int] | None) -> set[tuple[int, int]]:
    if best is None:
        return set()
    return {(o.member, i) for o in lineage.ancestry(*best) for i in range(o.first, o.last + 1)}


def _row(
    lineage: Lineage, member: int, grid: _Grid, winning: set[tuple[int, int]], best: tuple[int, int] | None
) -> list[Piece]:
    row: list[Piece] = [(f"m{member}".ljust(grid.label), "label")]
    for i in range(grid.cells):
        first = i * grid.group + 1
        span = range(first, min(first + grid.group, lineage.completed[member] + 1))
        row += _cell(lineage, member, span, grid.cell, winning, best)
    return row


def _cell(
    lineage: Lineage,
    member: int,
    span: range,
    width: int,
    winning: set[tuple[int, int]],
    best: tuple[int, int] | None,
) -> Iterable[Piece]:
    """Yield the pieces of one cell: where its weights came from, how it was trained, how it ended."""
    if not span:
        yield " " * width, "plain"
        return
    won = any((member, i) in winning for i in span)
    copies = [copy for i in span if (copy := lineage.copied_into(member, i)) is not None]
    # Of several copies in one cell the last one counts, or the one that the winning line came by.
    copies = [copy for copy in copies if (member, copy.interval + 1) in winning] or copies
    anew = any(lineage.begins(member, i) for i in span)
    head = f"{copies[-1].donor}▸" if copies else "○" if anew else ""
    tail: Piece = ("", "plain")
    if best is not None and best[0] == member and best[1] in span:
        tail = ("●", "best")
    elif any((member, i) in lineage.failed for i in span):
        tail = ("×", "failed")
    if head:
        yield head, "winning" if won else "copy"
    yield ("━" if won else "─") * (width - len(head) - len(tail[0])), "winning" if won else "other"
    yield tail


def _scale(grid: _Grid) -> list[Piece]:
    """Return the line of interval numbers, each above the beginning of its cell."""
    row = [" "] * (grid.label + grid.cell * grid.cells)
    every = -(-(len(str(grid.cells * grid.group)) + 2) // grid.cell)
    for i in range(0, grid.cells, every):
        place = grid.label + grid.cell * i
        text = str(i * grid.group + 1)
        if place + len(text) <= len(row):
            row[place : place + len(text)] = text
    return [("".join(row), "label")]


def _legend(grid: _Grid, failed: bool, restarts: bool) -> list[list[Piece]]:
    first: list[Piece] = [("━━", "winning"), (" led to the best checkpoint ", "plain"), ("●", "best")]
    first += [("    ", "plain"), ("──", "other"), (" other training    ", "plain")]
    first += [("3▸", "copy"), (" weights copied from m3", "plain")]
    if restarts:
        first += [("    ", "plain"), ("○", "copy"), (" began anew", "plain")]
    if failed:
        first += [("    ", "plain"), ("×", "failed"), (" failed", "plain")]
    if grid.group == 1:
        return [first]
    return [first, [(f"one cell is {grid.group} intervals; numbers count intervals", "label")]]
