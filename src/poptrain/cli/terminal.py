"""Text for people and JSON for programs."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

import typer

__all__ = ["aligned", "columns", "counted", "duration", "labelled", "number", "packed", "say", "say_json", "size", "table"]


def say(text: str = "", *, err: bool = False) -> None:
    """Print a line."""
    typer.echo(text, err=err)


def say_json(data: Any) -> None:
    """Print JSON on standard output."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False))


def columns() -> int:
    """Return the width to write to: the terminal's; without a terminal that of COLUMNS, or 100."""
    return max(60, shutil.get_terminal_size((100, 24)).columns if os.environ.get("COLUMNS") or _terminal() else 100)


def aligned(rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Return rows of cells as lines with aligned columns.

    Args:
        rows: all of the same length; lines are never cut or wrapped.
        right: numbers of the columns that are flush right.
    """
    table = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))] if table else []
    flush = set(right)
    return [
        "  ".join(c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in table
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, width: int) -> list[str]:
    """Return a table as lines, all columns but the first flush right.

    Where it would be wider than `width`, the words of the headings (parted by spaces, underscores and dots) are stacked.
    """
    body = [list(row) for row in rows]
    right = range(1, len(head))
    flat = aligned([list(head), *body], right=right)
    if max(map(len, flat)) <= width:
        return flat
    words = [re.split(r"[ _.]", text) for text in head]
    height = max(map(len, words))
    stacked = [[one[i - height] if height - i <= len(one) else "" for one in words] for i in range(height)]
    return aligned([*stacked, *body], right=right)


def packed(items: Iterable[str], *, width: int) -> str:
    """Return items with two spaces between them, in lines of at most `width` columns where an item allows it."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + 2 + len(item) <= width:
            lines[-1] += f"  {item}"
        else:
            lines.append(item)
    return "\n".join(lines)


def labelled(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return (label, text) pairs as lines; further lines of a text are indented like its first."""
    rows = [(label if i == 0 else "", line) for label, text in pairs for i, line in enumerate(text.split("\n"))]
    return aligned(rows)


def number(value: float | None) -> str:
    """Return a score in about four digits; a dash where there is none.

    Example:
        >>> number(0.98765), number(41.2), number(123456.7), number(None)
        ('0.9877', '41.2', '123457', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "span"), counted(3, "span"), counted(2, "copy", "copies")
        ('1 span', '3 spans', '2 copies')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return seconds as minutes and seconds, or hours, minutes and seconds.

    Example:
        >>> duration(35), duration(130.6), duration(3725)
        ('0:35', '2:11', '1:02:05')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(nbytes: float) -> str:
    """Return bytes in a readable unit.

    Example:
        >>> size(512), size(1_250_000), size(3.2e9)
        ('512 B', '1.2 MB', '3.2 GB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.1f} {unit}"
    return f"{nbytes:.0f} B"


def _terminal() -> bool:
    return os.isatty(1)
