"""Parallel text, and splitting it without leaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from poptrain.core.errors import DataError

__all__ = ["Corpus", "Pair", "split_by_source", "unique"]

Pair = tuple[str, str]
"""A source sentence and its translation."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Parallel text in three parts that share no sentence.

    Args:
        train: pairs to train on.
        validation: pairs that select among members.
        test: pairs for the held-out score; nothing ever selects by them.
        source, target: language codes.
        origin: where the text comes from, in words.
        notes: what was left out, in words.
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]
    source: str
    target: str
    origin: str
    notes: tuple[str, ...] = ()


def unique(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs without repetitions, in the order of their first appearance."""
    return list(dict.fromkeys(pairs))


def split_by_source(
    pairs: Sequence[Pair], *, validation: int, test: int, seed: int
) -> tuple[tuple[Pair, ...], tuple[Pair, ...], tuple[Pair, ...]]:
    """Return (train, validation, test) such that no source and no target sentence is in two of them.

    Pairs that share a source or a target, directly or over other pairs, form a group; groups are shuffled and dealt out
    whole. So several translations of one sentence never straddle the split.

    Args:
        pairs: all pairs.
        validation, test: least number of pairs in these parts, >= 1.
        seed: decides the shuffle.

    Raises:
        DataError: there is not enough text.
    """
    groups = _groups(pairs)
    order = np.random.default_rng(seed).permutation(len(groups))
    parts: tuple[list[Pair], list[Pair], list[Pair]] = ([], [], [])
    sizes = (validation, test)
    filling = 0
    for index in order:
        group = groups[index]
        # A huge group (one very common sentence, say) would make up a part on its own: it goes to the training part.
        place = filling if filling < 2 and len(group) <= max(10, len(pairs) // 100) else 2
        parts[place].extend(group)
        if place < 2 and len(parts[place]) >= sizes[place]:
            filling += 1
    if filling < 2 or len(parts[2]) < len(parts[0]):
        raise DataError(
            f"{len(pairs)} pairs are too few for {validation} validation and {test} test pairs and more than that to train on: "
            f"ask for fewer of them, or bring more text"
        )
    return tuple(parts[2]), tuple(parts[0]), tuple(parts[1])


def _groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Return connected groups of pairs, by union-find over their sentences."""
    parent = list(range(len(pairs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[int, str], int] = {}
    for i, pair in enumerate(pairs):
        for key in enumerate(pair):
            j = first.setdefault(key, i)
            a, b = root(i), root(j)
            parent[max(a, b)] = min(a, b)
    groups: dict[int, list[Pair]] = {}
    for i, pair in enumerate(pairs):
        groups.setdefault(root(i), []).append(pair)
    return list(groups.values())
