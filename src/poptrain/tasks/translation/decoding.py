"""From logits to sentences: greedy and beam search, over batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from poptrain.tasks.translation.batching import pad
from poptrain.tasks.translation.models.base import Translation, select
from poptrain.tasks.translation.vocabulary import BOS, EOS, PAD, UNK, Vocabulary

__all__ = ["beam", "greedy", "translate"]

_FORBIDDEN = [PAD, UNK, BOS]
_ROWS = 128
"""Sentences, times the size of the beam, that are decoded together."""


def limit(source: torch.Tensor) -> torch.Tensor:
    """Return the most subwords that a translation of each row may have: 1.5 of the source and 10, shape (batch,)."""
    return ((source != PAD).sum(1) * 3) // 2 + 10


@torch.no_grad()
def greedy(net: Translation, source: torch.Tensor) -> list[list[int]]:
    """Return the most probable next subword again and again until EOS or the limit.

    Args:
        net: in evaluation mode.
        source: shape (batch, source length).

    Returns:
        Subwords of each row, without BOS and EOS. Logits that are not finite end a sentence.
    """
    longest = limit(source)
    memory = net.begin(source)
    tokens = source.new_full((len(source),), BOS)
    rows = torch.arange(len(source))
    found: list[list[int]] = [[] for _ in rows]
    for step in range(int(longest.max())):
        logits, memory = net.advance(tokens, memory)
        logits[:, _FORBIDDEN] = float("-inf")
        best, tokens = logits.max(-1)
        alive = (tokens != EOS) & torch.isfinite(best) & (step < longest[rows.to(longest.device)])
        for row, token, going in zip(rows.tolist(), tokens.tolist(), alive.tolist(), strict=True):
            if going:
                found[row].append(token)
        if not bool(alive.any()):
            break
        if int(alive.sum()) < 0.75 * len(rows):  # finished sentences leave the batch
            kept = alive.nonzero()[:, 0]
            memory, tokens, rows = select(memory, kept), tokens[kept], rows[kept.cpu()]
        else:
            tokens = torch.where(alive, tokens, torch.full_like(tokens, EOS))
            longest = torch.where(_spread(alive, rows, longest), longest, torch.zeros_like(longest))
    return found


def _spread(alive: torch.Tensor, rows: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
    """Return which of all sentences still go on, from which of the batch's rows do."""
    going = torch.ones_like(longest, dtype=torch.bool)
    going[rows.to(longest.device)] = alive
    return going


@torch.no_grad()
def beam(net: Translation, source: torch.Tensor, *, size: int = 5, length_power: float = 1.0) -> list[list[int]]:
    """Return the best of several hypotheses that are extended side by side.

    A hypothesis is finished when EOS is among its row's `size` best continuations. Finished ones are compared by
    log probability / length ** length_power, where the length counts EOS. A row ends with its `size`-th finished hypothesis,
    when no unfinished one can beat the best finished one any more, or at the limit.

    Args:
        net: in evaluation mode.
        source: shape (batch, source length).
        size: hypotheses a row, >= 1; 1 is greedy search.
        length_power: 0 compares plain log probabilities, which favours short translations; 1 compares their means.

    Returns:
        Subwords of each row, without BOS and EOS. Logits that are not finite give an empty translation.
    """
    batch, device = len(source), source.device
    longest = limit(source)
    memory = select(net.begin(source), torch.arange(batch, device=device).repeat_interleave(size))
    scores = torch.full((batch, size), float("-inf"), device=device)
    scores[:, 0] = 0.0  # all hypotheses are the same at first: only one counts
    tokens = source.new_full((batch * size,), BOS)
    history = source.new_zeros((batch, size, 0))
    rows = [_Row(size, int(most)) for most in longest.tolist()]
    for step in range(1, int(longest.max()) + 2):
        logits, memory = net.advance(tokens, memory)
        logits[:, _FORBIDDEN] = float("-inf")
        logp = torch.nan_to_num(logits.log_softmax(-1), nan=float("-inf")).view(batch, size, -1)
        total = (scores[..., None] + logp).flatten(1)  # (batch, size * vocabulary)
        values, flat = total.topk(min(2 * size, total.shape[1]), dim=1)  # enough for `size` that do not end
        origin, token = flat // logp.shape[-1], flat % logp.shape[-1]
        for row, found in enumerate(zip(values.tolist(), origin.tolist(), token.tolist(), strict=True)):
            rows[row].note(found, history[row], step, length_power)
        if all(row.over for row in rows):
            break
        going = values.masked_fill(token == EOS, float("-inf"))
        scores, chosen = going.topk(size, dim=1)
        origin, token = origin.gather(1, chosen), token.gather(1, chosen)  # (batch, size)
        history = torch.cat([history.gather(1, origin[..., None].expand(-1, -1, history.shape[2])), token[..., None]], 2)
        flat_rows = (origin + torch.arange(batch, device=device)[:, None] * size).flatten()
        memory, tokens = select(memory, flat_rows), token.flatten()
    return [row.result for row in rows]


class _Row:
    """One sentence of a beam search: its best finished hypothesis, and whether it goes on.

    Args:
        size: finished hypotheses with which it ends.
        longest: most subwords of a translation.
    """

    def __init__(self, size: int, longest: int) -> None:
        self._size = size
        self._longest = longest
        self._score = float("-inf")
        self._finished = 0
        self.result: list[int] = []
        self.over = False

    def note(
        self, found: tuple[list[float], list[int], list[int]], history: torch.Tensor, step: int, length_power: float
    ) -> None:
        """Take note of the best continuations: (scores, hypotheses they continue, subwords), best first."""
        if self.over:
            return
        ended = list(zip(*found, strict=True))[: self._size]
        for score, origin, token in ended:
            if token == EOS and score / step**length_power > self._score:
                self._score, self.result = score / step**length_power, history[origin].tolist()
            self._finished += token == EOS and score > float("-inf")
        alive = [score for score, _, token in zip(*found, strict=True) if token != EOS and score > float("-inf")]
        hopeless = not alive or alive[0] / (self._longest + 1) ** length_power <= self._score
        self.over = self._finished >= self._size or hopeless or step > self._longest
        if self.over and not self._finished and alive:
            score, origin, _ = next(one for one in zip(*found, strict=True) if one[2] != EOS)
            self.result = history[origin].tolist()[: self._longest]


def translate(
    net: Translation, vocabulary: Vocabulary, sentences: Sequence[str], *, size: int = 1, device: torch.device | None = None
) -> list[str]:
    """Return the translation of each sentence, in their order; greedily, or with a beam of `size` > 1.

    The network is put into evaluation mode. An empty sentence stays empty.
    """
    net.eval()
    encoded = vocabulary.encode_all(list(sentences))
    found = [""] * len(encoded)
    for rows in _chunks(encoded, max(1, _ROWS // size)):
        source = pad([[*encoded[row], EOS] for row in rows])
        if device is not None:
            source = source.to(device)
        decoded = greedy(net, source) if size == 1 else beam(net, source, size=size)
        for row, numbers in zip(rows, decoded, strict=True):
            found[row] = vocabulary.decode(numbers)
    return found


def _chunks(encoded: Sequence[Sequence[int]], rows: int) -> Iterator[list[int]]:
    """Yield indices of sentences that are not empty, those of like length together."""
    order = sorted((i for i, numbers in enumerate(encoded) if numbers), key=lambda i: len(encoded[i]))
    for start in range(0, len(order), rows):
        yield order[start : start + rows]
