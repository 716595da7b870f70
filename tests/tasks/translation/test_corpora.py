"""Parallel text: what is read, how it is split, and what malformed files are told."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptrain.core.errors import DataError
from poptrain.tasks.translation.corpora import Corpus, compose, read_aligned, read_tsv
from poptrain.tasks.translation.corpora.base import split_by_source

SIZES: dict[str, Any] = {"validation": 2, "test": 2, "seed": 0}


def parts(corpus: Corpus) -> list[tuple[tuple[str, str], ...]]:
    return [corpus.train, corpus.validation, corpus.test]


def leaks(found: list[tuple[tuple[str, str], ...]]) -> set[tuple[int, str]]:
    sides = [{(side, pair[side]) for pair in part for side in (0, 1)} for part in found]
    return (sides[0] & sides[1]) | (sides[0] & sides[2]) | (sides[1] & sides[2])


@given(st.integers(0, 1000), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=40, max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_sentence_is_in_two_parts(seed: int, numbers: list[tuple[int, int]]) -> None:
    pairs = sorted({(f"s{a}", f"t{b}") for a, b in numbers})
    try:
        train, validation, test = split_by_source(pairs, validation=3, test=3, seed=seed)
    except DataError:
        return
    assert not leaks([train, validation, test])
    assert sorted([*train, *validation, *test]) == pairs
    assert len(validation) >= 3
    assert len(test) >= 3


def test_splits_of_sparse_pairs_succeed() -> None:
    pairs = [(f"s{i // 2}", f"t{i}") for i in range(200)]  # two translations of every sentence
    train, validation, test = split_by_source(pairs, validation=20, test=20, seed=1)
    assert not leaks([train, validation, test])
    assert 20 <= len(validation) <= 21
    assert len(train) > 150


@pytest.mark.parametrize("languages", [("en", "de"), ("fr", "ja"), ("pt_BR", "ar")])
def test_the_built_in_corpus_is_large_and_clean(languages: tuple[str, str]) -> None:
    corpus = compose(*languages, pairs=20_000, validation=300, test=300)
    assert len({*corpus.train, *corpus.validation, *corpus.test}) == 20_000
    assert not leaks(parts(corpus))
    assert all(a and b and a == a.strip() and "\n" not in a + b for part in parts(corpus) for a, b in part)


def test_the_built_in_corpus_depends_on_its_seed_alone() -> None:
    small = {"pairs": 600, "validation": 50, "test": 50}
    assert compose(**small, seed=1) == compose(**small, seed=1)  # type: ignore[arg-type]
    assert compose(**small, seed=1) != compose(**small, seed=2)  # type: ignore[arg-type]


def test_unknown_languages_are_named() -> None:
    with pytest.raises(DataError, match="no language 'klingon'"):
        compose("en", "klingon")
    with pytest.raises(DataError, match="two languages"):
        compose("en", "en")


def write(path: Path, text: str | bytes, *, packed: bool = False) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def lines(prefix: str, count: int) -> str:
    return "".join(f"{prefix} {i}\n" for i in range(count))


@pytest.mark.parametrize("packed", [False, True])
def test_a_prefix_of_aligned_files_is_split(tmp_path: Path, packed: bool) -> None:
    ending = ".gz" if packed else ""
    write(tmp_path / f"all.en{ending}", lines("a", 30), packed=packed)
    write(tmp_path / f"all.de{ending}", lines("b", 30), packed=packed)
    corpus = read_aligned(tmp_path / "all", source="en", target="de", limit=None, **SIZES)
    assert [len(part) for part in parts(corpus)] == [26, 2, 2]
    assert all(a[1:] == b[1:] for part in parts(corpus) for a, b in part)


def test_a_folder_of_parts_keeps_them_and_drops_leaks(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("val", 3), ("test_2016_flickr", 4)):
        write(tmp_path / f"{part}.en", lines(f"{part} a", count))
        write(tmp_path / f"{part}.de", lines(f"{part} b", count))
    with (tmp_path / "train.en").open("a") as en, (tmp_path / "train.de").open("a") as de:
        en.write("val a 0\n")
        de.write("something else\n")
    corpus = read_aligned(tmp_path, source="en", target="de", limit=None, **SIZES)
    assert [len(part) for part in parts(corpus)] == [20, 3, 4]
    assert not leaks(parts(corpus))
    assert any("1 training pairs left out" in note for note in corpus.notes)


@pytest.mark.parametrize("swap", [False, True])
def test_a_file_with_tabs(tmp_path: Path, swap: bool) -> None:
    rows = "".join(f"word {i // 2}\twort {i}\tsome licence\n" for i in range(40))
    path = write(tmp_path / "pairs.tsv", rows)
    corpus = read_tsv(path, source="en", target="de", limit=None, swap=swap, **SIZES)
    assert not leaks(parts(corpus))
    assert corpus.train[0][swap].startswith("word")
    assert "licence" not in str(parts(corpus))


def test_malformed_files_are_named_with_their_line(tmp_path: Path) -> None:
    good = write(tmp_path / "x.en", lines("a", 10))
    cases: dict[str, tuple[str | bytes, str]] = {
        "fewer lines": (lines("b", 9), r"x\.en has 10 lines and .*x\.de has 9"),
        "empty": ("", r"x\.de is empty"),
        "latin1": (b"ok\n" + "grün\n".encode("latin1") + b"c\n" * 8, r"x\.de:2: byte 3 is not UTF-8"),
        "one empty line": ("b\n" * 4 + "\n" + "b\n" * 5, r"x\.de:5: the line is empty"),
    }
    for text, message in cases.values():
        write(tmp_path / "x.de", text)
        with pytest.raises(DataError, match=message):
            read_aligned(good.with_suffix(""), source="en", target="de", limit=None, **SIZES)
    (tmp_path / "x.de").unlink()
    with pytest.raises(DataError, match=r"there is no file .*x\.de"):
        read_aligned(good.with_suffix(""), source="en", target="de", limit=None, **SIZES)


def test_malformed_files_with_tabs(tmp_path: Path) -> None:
    for text, message in (
        ("a\tb\nno tab here\n", r"p\.tsv:2: there is no tab"),
        ("a\tb\n\tc\n", r"p\.tsv:2: one of the two sentences is empty"),
        ("a\tb\nc\td\n", "too few"),
    ):
        write(tmp_path / "p.tsv", text)
        with pytest.raises(DataError, match=message):
            read_tsv(tmp_path / "p.tsv", source="en", target="de", limit=None, **SIZES)
    write(tmp_path / "p.tsv.gz", b"this is not gzip")
    with pytest.raises(DataError, match="cannot be read"):
        read_tsv(tmp_path / "p.tsv.gz", source="en", target="de", limit=None, **SIZES)


@pytest.mark.slow
def test_real_text_splits_without_leaks() -> None:
    folder = os.environ.get("POPTRAIN_DATA", "")
    path = Path(folder) / "tatoeba-deu-eng" / "deu.txt.gz"
    if not folder or not path.is_file():
        pytest.skip("set POPTRAIN_DATA to a folder with tatoeba-deu-eng/deu.txt.gz")
    corpus = read_tsv(path, source="en", target="de", validation=1000, test=1000, seed=0, limit=None)
    assert len(corpus.train) > 160_000
    assert not leaks(parts(corpus))
