"""Preparing a corpus once for a study: text, vocabulary and encoded sentences in the study's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from poptrain.core.errors import DataError
from poptrain.tasks.translation.batching import Encoded
from poptrain.tasks.translation.corpora import Corpus, Pair
from poptrain.tasks.translation.models.transformer import LONGEST
from poptrain.tasks.translation.vocabulary import Vocabulary

__all__ = ["Prepared", "load", "save", "saved"]

_TEXT = "corpus.json"
_VOCABULARY = "vocabulary.model"


@dataclass(frozen=True)
class Prepared:
    """A corpus ready for training.

    Args:
        corpus: the text.
        vocabulary: its subwords.
        train: the encoded training pairs.
    """

    corpus: Corpus
    vocabulary: Vocabulary
    train: list[Encoded]


def save(corpus: Corpus, folder: Path, *, subwords: int) -> None:
    """Write corpus and vocabulary to a folder, the text last: it is there once everything is."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary.train(corpus.train, subwords)
    (folder / _VOCABULARY).write_bytes(vocabulary.model)
    about = {name: getattr(corpus, name) for name in ("source", "target", "origin", "notes")}
    parts = {name: [list(pair) for pair in getattr(corpus, name)] for name in ("train", "validation", "test")}
    temporary = folder / (_TEXT + ".tmp")
    temporary.write_text(json.dumps({**about, **parts}, ensure_ascii=False), encoding="utf-8")
    temporary.replace(folder / _TEXT)


def saved(folder: Path) -> bool:
    """Return whether `save` has completed in a folder."""
    return (folder / _TEXT).is_file()


@lru_cache(maxsize=2)
def load(folder: Path) -> Prepared:
    """Return what `save` wrote; read once in a process.

    Pairs with more than 500 subwords on one side are left out of training.

    Raises:
        DataError: the files are missing or damaged, or no pair is short enough.
    """
    try:
        data = json.loads((folder / _TEXT).read_text(encoding="utf-8"))
        model = (folder / _VOCABULARY).read_bytes()
        parts = {name: tuple(_pair(pair) for pair in data[name]) for name in ("train", "validation", "test")}
        corpus = Corpus(
            **parts, source=data["source"], target=data["target"], origin=data["origin"], notes=tuple(data["notes"])
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the prepared text in {folder} cannot be read ({error!r}): start the study anew") from error
    vocabulary = Vocabulary(model)
    left = vocabulary.encode_all([s for s, _ in corpus.train])
    right = vocabulary.encode_all([t for _, t in corpus.train])
    longest = LONGEST - 12
    train = [(s, t) for s, t in zip(left, right, strict=True) if 0 < len(s) <= longest and 0 < len(t) <= longest]
    if not train:
        raise DataError(f"no training pair has between 1 and {longest} subwords on both sides: split long lines into sentences")
    return Prepared(corpus, vocabulary, train)


def _pair(pair: list[str]) -> Pair:
    source, target = pair
    return source, target
