"""Two files with one sentence a line, line N of each the same."""

from __future__ import annotations

from pathlib import Path

from poptrain.core.errors import DataError
from poptrain.tasks.translation.corpora.base import Corpus, Pair, split_by_source, unique
from poptrain.tasks.translation.corpora.files import read_lines

__all__ = ["read_aligned"]

_PARTS = {"train": ("train",), "validation": ("val", "valid", "validation", "dev"), "test": ("test",)}


def read_aligned(path: Path, *, source: str, target: str, validation: int, test: int, seed: int, limit: int | None) -> Corpus:
    """Return the corpus at `path`: a folder of parts, or one pair of files.

    Args:
        path: a folder with train, val and test files ending in .SOURCE and .TARGET (Multi30k's layout), or the common
            beginning of one pair of files, from which validation and test parts are split off. Each file may be gzipped.
        source, target: language codes, which the file names end in.
        validation, test: pairs to split off, where there are no files for them.
        seed: decides the split.
        limit: most pairs to train on; None for all.

    Raises:
        DataError: a file is missing or malformed; the message names file and line.
    """
    notes: list[str] = []
    if path.is_dir():
        parts = {part: _part(path, part, names, source, target, notes) for part, names in _PARTS.items()}
        held = {sentence for name in ("validation", "test") for pair in parts[name] for sentence in pair}
        train = [pair for pair in parts["train"] if not held & set(pair)]
        if len(train) < len(parts["train"]):
            notes.append(f"{len(parts['train']) - len(train)} training pairs left out: a sentence of theirs is held out")
        origin = f"the aligned files in {path}"
        return Corpus(
            tuple(train[:limit]), tuple(parts["validation"]), tuple(parts["test"]), source, target, origin, tuple(notes)
        )
    pairs = unique(_pairs(_file(path, source), _file(path, target), notes))
    split = split_by_source(pairs, validation=validation, test=test, seed=seed)
    origin = f"the aligned files {path}.{source} and {path}.{target}"
    return Corpus(split[0][:limit], split[1], split[2], source, target, origin, tuple(notes))


def _part(folder: Path, part: str, names: tuple[str, ...], source: str, target: str, notes: list[str]) -> list[Pair]:
    for name in names:
        found = sorted({p.name.removesuffix(".gz").removesuffix(f".{source}") for p in folder.glob(f"{name}*.{source}*")})
        if found:
            prefix = folder / found[0]
            return unique(_pairs(_file(prefix, source), _file(prefix, target), notes))
    raise DataError(
        f"{folder} has no {part} files: name them {names[0]}.{source} and {names[0]}.{target} (or with .gz behind), or give "
        f"the common beginning of one pair of files instead of a folder"
    )


def _file(prefix: Path, language: str) -> Path:
    for ending in (f".{language}", f".{language}.gz"):
        path = prefix.with_name(prefix.name + ending)
        if path.is_file():
            return path
    raise DataError(f"there is no file {prefix}.{language} nor {prefix}.{language}.gz: check the path and the language")


def _pairs(a: Path, b: Path, notes: list[str]) -> list[Pair]:
    left, right = read_lines(a), read_lines(b)
    if len(left) != len(right):
        shorter, longer = (a, b) if len(left) < len(right) else (b, a)
        raise DataError(
            f"{a} has {len(left)} lines and {b} has {len(right)}: line N of both must be the same sentence; "
            f"{shorter} ends at line {min(len(left), len(right))}, {longer} goes on"
        )
    pairs = []
    empty = 0
    for number, (x, y) in enumerate(zip(left, right, strict=True), start=1):
        x, y = x.strip(), y.strip()
        if bool(x) != bool(y):
            raise DataError(f"{a if not x else b}:{number}: the line is empty, and the other file's is not: fix the alignment")
        if x:
            pairs.append((x, y))
        else:
            empty += 1
    if empty:
        notes.append(f"{empty} empty lines left out of {a.name}")
    return pairs
