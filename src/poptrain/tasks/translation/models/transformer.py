"""A Transformer with normalisation before each part.

References:
    Vaswani et al. (2017), Attention Is All You Need.
    Xiong et al. (2020), On Layer Normalization in the Transformer Architecture (pre-norm).
    Press and Wolf (2017), Using the Output Embedding to Improve Language Models (tied embeddings).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from poptrain.tasks.translation.models.base import Memory, Translation
from poptrain.tasks.translation.vocabulary import PAD

__all__ = ["TransformerTranslation"]

L = TypeVar("L", bound=nn.Module)

LONGEST = 512
"""Positions that a sentence can have."""


class Attention(nn.Module):
    """Multi-head attention; `rate` is the dropout on its weights and may be set at any time."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.rate = 0.0
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys_values(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values of x, each (batch, heads, length, width / heads)."""
        keys, values = self.key_value(x).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: Any, causal: bool) -> torch.Tensor:
        """Return what x (batch, length, width) gathers from the values."""
        q = self._split(self.query(x))
        p = self.rate if self.training else 0.0
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, dropout_p=p, is_causal=causal)
        out: torch.Tensor = self.out(y.transpose(1, 2).flatten(2))  # (batch, length, width)
        return out

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (batch, heads, length, width / heads)


class FeedForward(nn.Module):
    """Two layers with a ReLU; `rate` is the dropout behind it."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.rate = 0.0
        self.first = nn.Linear(width, inner)
        self.second = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, shaped like x."""
        out: torch.Tensor = self.second(F.dropout(F.relu(self.first(x)), self.rate, self.training))
        return out


class Layers(nn.ModuleList, Generic[L]):
    """A list of layers of one kind."""

    def __iter__(self) -> Iterator[L]:
        return super().__iter__()  # type: ignore[return-value]


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each behind a normalisation and beside a residual."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.rate = 0.0
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.feed = Attention(width, heads), FeedForward(width, inner)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, shaped like x."""
        y = self.norm1(x)
        y = self.attention(y, *self.attention.keys_values(y), mask, False)
        x = x + F.dropout(y, self.rate, self.training)
        return x + F.dropout(self.feed(self.norm2(x)), self.rate, self.training)


class DecoderLayer(nn.Module):
    """Self-attention, attention to the source and feed-forward."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.rate = 0.0
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.cross = Attention(width, heads), Attention(width, heads)
        self.feed = FeedForward(width, inner)

    def forward(self, x: torch.Tensor, past: list[torch.Tensor], source: list[torch.Tensor], mask: Any) -> tuple[Any, Any]:
        """Return the layer's output and the keys and values of all target positions so far.

        With a `past` the input is one position, which sees all of it; without one it is a whole sentence, seen causally.
        """
        y = self.norm1(x)
        keys, values = self.attention.keys_values(y)
        if past:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        y = self.attention(y, keys, values, None, not past)
        x = x + F.dropout(y, self.rate, self.training)
        y = self.cross(self.norm2(x), source[0], source[1], mask, False)
        x = x + F.dropout(y, self.rate, self.training)
        return x + F.dropout(self.feed(self.norm3(x)), self.rate, self.training), [keys, values]


class TransformerTranslation(Translation):
    """The translator.

    Args:
        vocabulary: number of subwords.
        width: size of the residual stream, a multiple of `heads`.
        layers: layers of the encoder, and of the decoder.
        heads: attention heads.
        inner: size of the feed-forward layers.
    """

    def __init__(self, vocabulary: int, *, width: int, layers: int, heads: int, inner: int) -> None:
        super().__init__()
        self.width = width
        self.embed_rate = 0.0
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.encoder: Layers[EncoderLayer] = Layers(EncoderLayer(width, heads, inner) for _ in range(layers))
        self.decoder: Layers[DecoderLayer] = Layers(DecoderLayer(width, heads, inner) for _ in range(layers))
        self.encoded, self.decoded = nn.LayerNorm(width), nn.LayerNorm(width)
        self.positions: torch.Tensor
        self.register_buffer("positions", _sinusoids(LONGEST, width), persistent=False)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2 and not name.startswith("embedding"):
                nn.init.xavier_uniform_(parameter)

    def residual(self) -> list[nn.Module]:
        """Return the parts whose `rate` is the dropout on what is added to the residual stream."""
        return [*self.encoder, *self.decoder]

    def attentions(self) -> list[nn.Module]:
        """Return all attentions."""
        return [module for module in self.modules() if isinstance(module, Attention)]

    def activations(self) -> list[nn.Module]:
        """Return all feed-forward parts."""
        return [module for module in self.modules() if isinstance(module, FeedForward)]

    def forward(self, source: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, target length, vocabulary)."""
        encoded, mask = self._encode(source)
        x = self._embed(inputs, 0)
        for layer in self.decoder:
            x, _ = layer(x, [], layer.cross.keys_values(encoded), mask)
        return self._logits(x)

    def begin(self, source: torch.Tensor) -> Memory:
        """Return the keys and values of the source, and no past."""
        encoded, mask = self._encode(source)
        sources = [list(layer.cross.keys_values(encoded)) for layer in self.decoder]
        return {"mask": mask, "sources": sources, "pasts": [[] for _ in self.decoder], "step": 0}

    def advance(self, tokens: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, Memory]:
        """Return logits (batch, vocabulary) and the memory with one more position."""
        x = self._embed(tokens[:, None], memory["step"])
        pasts = []
        for layer, past, source in zip(self.decoder, memory["pasts"], memory["sources"], strict=True):
            x, past = layer(x, past, source, memory["mask"])
            pasts.append(past)
        return self._logits(x)[:, 0], {**memory, "pasts": pasts, "step": memory["step"] + 1}

    def _encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mask = (source != PAD)[:, None, None, :]  # (batch, 1, 1, source length)
        x = self._embed(source, 0)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoded(x), mask

    def _embed(self, tokens: torch.Tensor, start: int) -> torch.Tensor:
        x = self.embedding(tokens) * math.sqrt(self.width) + self.positions[start : start + tokens.shape[1]]
        return F.dropout(x, self.embed_rate, self.training)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(self.decoded(x), self.embedding.weight)


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """Return the positions of Vaswani et al., section 3.5, shape (length, width)."""
    place = torch.arange(length)[:, None]
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    table = torch.zeros(length, width)
    table[:, 0::2] = torch.sin(place * rate)
    table[:, 1::2] = torch.cos(place * rate[: width // 2])
    return table
