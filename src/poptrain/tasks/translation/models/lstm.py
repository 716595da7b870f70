"""An LSTM encoder and decoder with attention.

References:
    Luong, Pham, Manning (2015), Effective Approaches to Attention-based Neural Machine Translation (general attention).
    Merity, Keskar, Socher (2018), Regularizing and Optimizing LSTM Language Models (dropout on the recurrent weights).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from poptrain.tasks.translation.models.base import Memory, Translation
from poptrain.tasks.translation.vocabulary import PAD

__all__ = ["LSTMTranslation"]


class DroppedLSTM(nn.LSTM):
    """One LSTM layer; `rate` is the dropout on its hidden-to-hidden weights, drawn once a sequence."""

    rate: float = 0.0
    weight_ih_l0: torch.Tensor
    weight_hh_l0: torch.Tensor
    bias_ih_l0: torch.Tensor
    bias_hh_l0: torch.Tensor

    def run(self, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (outputs (batch, length, directions * hidden), h, c) from inputs (batch, length, width)."""
        recurrent = F.dropout(self.weight_hh_l0, self.rate, self.training)
        weights = [self.weight_ih_l0, recurrent, self.bias_ih_l0, self.bias_hh_l0]
        found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = torch.lstm(
            x, state, weights, True, 1, 0.0, self.training, self.bidirectional, True
        )
        return found


class LSTMTranslation(Translation):
    """The translator.

    Args:
        vocabulary: number of subwords.
        width: size of embeddings and hidden states, even.
    """

    def __init__(self, vocabulary: int, *, width: int) -> None:
        super().__init__()
        self.width = width
        self.rate = 0.0
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.forth = DroppedLSTM(width, width // 2, batch_first=True)
        self.back = DroppedLSTM(width, width // 2, batch_first=True)
        self.decoder = DroppedLSTM(width, width, batch_first=True)
        self.bridge = nn.Linear(width, 2 * width)
        self.score = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()

    def recurrent(self) -> list[nn.Module]:
        """Return the parts whose `rate` is the dropout on recurrent weights."""
        return [self.forth, self.back, self.decoder]

    def forward(self, source: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, target length, vocabulary)."""
        memory = self.begin(source)
        return self._decode(inputs, memory)[0]

    def begin(self, source: torch.Tensor) -> Memory:
        """Return the encoded source, and the decoder's first state."""
        mask = source != PAD  # (batch, source length)
        x = self._embed(source)
        zeros = x.new_zeros(1, len(source), self.width // 2)
        turned = _turned(mask)  # the second direction begins at each sentence's end, not in its padding
        forth = self.forth.run(x, (zeros, zeros))[0]
        back = _take(self.back.run(_take(x, turned), (zeros, zeros))[0], turned)
        encoded = self._drop(torch.cat([forth, back], -1)) * mask[..., None]  # (batch, source length, width)
        mean = encoded.sum(1) / mask.sum(1, keepdim=True)
        h, c = torch.tanh(self.bridge(mean)).chunk(2, dim=-1)
        return {"encoded": encoded, "keys": self.score(encoded), "mask": mask, "h": h, "c": c}

    def advance(self, tokens: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, Memory]:
        """Return logits (batch, vocabulary) and the next memory."""
        logits, memory = self._decode(tokens[:, None], memory)
        return logits[:, 0], memory

    def _decode(self, inputs: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, Memory]:
        state = memory["h"][None], memory["c"][None]
        out, h, c = self.decoder.run(self._embed(inputs), state)  # (batch, length, width)
        scores = out @ memory["keys"].transpose(1, 2)  # (batch, length, source length)
        scores = scores.masked_fill(~memory["mask"][:, None], float("-inf"))
        context = scores.softmax(-1) @ memory["encoded"]
        x = self._drop(torch.tanh(self.combine(torch.cat([out, context], -1))))
        return F.linear(x, self.embedding.weight), {**memory, "h": h[0], "c": c[0]}

    def _embed(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._drop(self.embedding(tokens) * self.width**0.5)

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.rate, self.training)


def _turned(mask: torch.Tensor) -> torch.Tensor:
    """Return positions that turn each row's sentence around and leave its padding, shape (batch, length)."""
    place = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - place, place)


def _take(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return x (batch, length, width) with its positions rearranged."""
    return x.gather(1, places[..., None].expand_as(x))
