"""One file with a sentence, a tab and its translation on every line."""

from __future__ import annotations

from pathlib import Path

from poptrain.core.errors import DataError
from poptrain.tasks.translation.corpora.base import Corpus, Pair, split_by_source, unique
from poptrain.tasks.translation.corpora.files import read_lines

__all__ = ["read_tsv"]


def read_tsv(
    path: Path,
    *,
    source: str,
    target: str,
    validation: int,
    test: int,
    seed: int,
    limit: int | None,
    swap: bool = False,
) -> Corpus:
    """Return the corpus in a file as Tatoeba and Anki write it.

    Args:
        path: the file; what follows a second tab is left out; may be gzipped.
        source, target: language codes, for the record.
        validation, test: pairs to split off; several translations of one sentence stay in one part.
        seed: decides the split and the order.
        limit: most pairs to train on; None for all.
        swap: whether the second column is the source.

    Raises:
        DataError: the file is missing or a line has no tab; the message names file and line.
    """
    pairs = [_pair(line, path, number, swap) for number, line in enumerate(read_lines(path), start=1) if line.strip()]
    split = split_by_source(unique(pairs), validation=validation, test=test, seed=seed)
    return Corpus(split[0][:limit], split[1], split[2], source, target, f"the pairs in {path}")


def _pair(line: str, path: Path, number: int, swap: bool) -> Pair:
    columns = line.split("\t")
    if len(columns) < 2:
        raise DataError(f"{path}:{number}: there is no tab: a line is a sentence, a tab and its translation")
    first, second = columns[0].strip(), columns[1].strip()
    if not first or not second:
        raise DataError(f"{path}:{number}: one of the two sentences is empty: fill it in or remove the line")
    return (second, first) if swap else (first, second)
