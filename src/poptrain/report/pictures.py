"""What a task has left in the study's folder to look at: pictures (.png, .gif) and examples (examples.tsv)."""

from __future__ import annotations

import base64
import csv
from html import escape
from pathlib import Path

from poptrain.results import Study

__all__ = ["embedded", "examples", "pictures"]

EXAMPLES = "examples.tsv"
"""Tab-separated lines, the first one with the headings."""

_KINDS = {".png": "image/png", ".gif": "image/gif"}
_MOST_BYTES = 5_000_000
_MOST_ROWS = 50


def pictures(study: Study) -> list[str]:
    """Return the names of the pictures in the study's folder."""
    return sorted(path.name for path in study.directory.iterdir() if path.suffix in _KINDS and path.is_file())


def embedded(study: Study) -> str:
    """Return a section with the pictures inside of it, as far as five megabytes go; nothing where there are none."""
    left, shown = _MOST_BYTES, ""
    for name in pictures(study):
        path = study.directory / name
        size = path.stat().st_size
        if size > left:
            shown += f'<p class="soft">{escape(name)} is left out: it has {size / 1e6:.1f} MB.</p>'
            continue
        left -= size
        data = base64.b64encode(path.read_bytes()).decode()
        title = escape(Path(name).stem)
        shown += f'<p><img src="data:{_KINDS[path.suffix]};base64,{data}" alt="{title}, a picture of the task"></p>'
    return f'<section id="pictures"><h2>Pictures</h2>{shown}</section>' if shown else ""


def examples(study: Study) -> str:
    """Return a section with the examples; nothing where there are none, or where they cannot be read."""
    try:
        with (study.directory / EXAMPLES).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, ValueError, csv.Error):
        return ""
    if len(rows) < 2:
        return ""
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in rows[0])
    lines = (f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows[1 : _MOST_ROWS + 1])
    return (
        '<section id="examples"><h2>Examples</h2><p class="note">By the best model, from data that no selection saw.</p>'
        f'<div class="scroll"><table class="plain texts"><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
        "</div></section>"
    )
