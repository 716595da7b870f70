"""The lineage as text: members down, intervals across."""

from __future__ import annotations

from poptrain.results.lineage import Lineage

__all__ = ["draw"]

TRAINED, COPIED, WINNING, WON = "─", "╮", "━", "●"


def draw(lineage: Lineage, best: tuple[int, int] | None, *, width: int = 100) -> str:
    """Return a picture of `width` columns or fewer.

    Each row is a member, each cell one interval (or several, where the study is longer than the row). ``━`` is trained on the
    way to the best checkpoint, ``─`` is other training, ``N╮`` marks a copy from member N before the interval, ``●`` the best.

    Args:
        lineage: the study's.
        best: (member, interval) of the best checkpoint.
        width: columns to fill, >= 40.
    """
    intervals = max(lineage.completed, default=0)
    if not intervals:
        return "no interval has been completed yet"
    label = len(str(lineage.population - 1)) + 2
    cell = max(2, len(str(lineage.population - 1)) + 1)
    cells = max(1, (width - label - 2) // cell)
    group = -(-intervals // cells)
    winning = _winning(lineage, best)
    lines = [_scale(intervals, group, label, cell)]
    for member in range(lineage.population):
        row = "".join(_cell(lineage, member, i, group, cell, winning, best) for i in range(0, intervals, group))
        lines.append(f"m{member}".ljust(label) + row.rstrip())
    lines.append(_legend(group))
    return "\n".join(lines)


def _winning(lineage: Lineage, best: tuple[int, int] | None) -> set[tuple[int, int]]:
    if best is None:
        return set()
    return {(o.member, i) for o in lineage.ancestry(*best) for i in range(o.first, o.last + 1)}


def _cell(
    lineage: Lineage,
    member: int,
    start: int,
    group: int,
    cell: int,
    winning: set[tuple[int, int]],
    best: tuple[int, int] | None,
) -> str:
    span = range(start + 1, min(start + group, lineage.completed[member]) + 1)
    if not span:
        return " " * cell
    donors = [c.donor for c in lineage.copies if c.member == member and c.weights and c.interval + 1 in span]
    line = WINNING if any((member, i) in winning for i in span) else TRAINED
    head = f"{donors[-1]}{COPIED}" if donors else ""
    tail = WON if best is not None and best[0] == member and best[1] in span else ""
    filled = head + line * (cell - len(head) - len(tail)) + tail
    return filled[:cell] if not tail else filled[: cell - 1] + tail


def _scale(intervals: int, group: int, label: int, cell: int) -> str:
    row = [" "] * (label + cell * -(-intervals // group) + 8)
    for i in range(0, intervals, group):
        if (i // group) % max(1, 10 // cell) == 0:
            text = str(i + 1)
            place = label + cell * (i // group)
            row[place : place + len(text)] = text
    return "".join(row).rstrip()


def _legend(group: int) -> str:
    scale = "" if group == 1 else f"   one cell = {group} intervals"
    return f"{WINNING} led to the best {WON}   {TRAINED} other training   3{COPIED} copied member 3{scale}"
