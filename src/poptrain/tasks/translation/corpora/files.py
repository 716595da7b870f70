"""Text files, plain or gzipped, line by line, with errors that name file and line."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from poptrain.core.errors import DataError

__all__ = ["read_lines"]


def read_lines(path: Path) -> list[str]:
    """Return a file's lines without their ends; a name ending in .gz is unpacked.

    Lines end at a line feed only: Unicode's other separators are text.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or not gzip; the message names file and line.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not data.strip():
        raise DataError(f"{path} is empty: bring one sentence a line")
    raw = data.split(b"\n")
    if raw[-1] == b"":
        raw.pop()
    return [_decode(line, path, number) for number, line in enumerate(raw, start=1)]


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: byte {error.start + 1} is not UTF-8: convert the file first (iconv -f latin1 -t utf-8, say)"
        ) from error
    return text.rstrip("\r")
