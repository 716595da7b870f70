"""Batches of sentences of about the same length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from poptrain.tasks.translation.vocabulary import BOS, EOS, PAD

__all__ = ["Batch", "Encoded", "batches", "pad", "stream"]

Encoded = tuple[list[int], list[int]]
"""Subwords of a source and of a target sentence."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded sentences.

    Args:
        source: subwords and EOS, shape (batch, source length).
        inputs: BOS and subwords, shape (batch, target length).
        targets: subwords and EOS, shape (batch, target length).
    """

    source: torch.Tensor
    inputs: torch.Tensor
    targets: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.source.to(device), self.inputs.to(device), self.targets.to(device))


def pad(sentences: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return sentences as rows of one tensor, filled up by PAD, shape (batch, longest)."""
    longest = max(map(len, sentences))
    table = np.full((len(sentences), longest), PAD, dtype=np.int64)
    for row, sentence in zip(table, sentences, strict=True):
        row[: len(sentence)] = sentence
    return torch.from_numpy(table)


def batches(pairs: Sequence[Encoded], *, tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """Return one pass over the pairs as lists of indices, in random order, each list of about the same length.

    Args:
        pairs: encoded sentences.
        tokens: most target subwords in a batch, padding counted; a longer sentence makes a batch of its own.
        rng: decides which pairs of equal length meet, and the order of the batches.
    """
    noise = rng.random(len(pairs))
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][1]), len(pairs[i][0]) // 4, noise[i]))
    found: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for i in order:
        length = max(len(pairs[i][0]), len(pairs[i][1])) + 1
        longest = max(longest, length)
        if current and longest * (len(current) + 1) > tokens:
            found.append(current)
            current, longest = [], length
        current.append(i)
    if current:
        found.append(current)
    return [found[int(i)] for i in rng.permutation(len(found))]


def stream(pairs: Sequence[Encoded], *, tokens: int, start: int, steps: int, seed: int) -> Iterator[Batch]:
    """Yield the batches of steps [start, start + steps) of an endless run over the pairs.

    The run depends on `seed` and `tokens` alone, so that a member goes on where it stopped, whoever trains it.
    """
    step = 0
    epoch = 0
    while step < start + steps:
        plan = batches(pairs, tokens=tokens, rng=np.random.default_rng((seed, epoch)))
        for indices in plan[max(0, start - step) : start + steps - step]:
            yield collate([pairs[i] for i in indices])
        step += len(plan)
        epoch += 1


def collate(pairs: Sequence[Encoded]) -> Batch:
    """Return pairs as one padded batch."""
    source = pad([[*s, EOS] for s, _ in pairs])
    inputs = pad([[BOS, *t] for _, t in pairs])
    targets = pad([[*t, EOS] for _, t in pairs])
    return Batch(source, inputs, targets)
