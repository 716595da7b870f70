"""Networks of every kind, with inputs, for the tests of batched training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    inputs: Callable[[], torch.Tensor]
    classes: int = 3


def floats(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def tokens(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randint(7, shape, generator=torch.Generator().manual_seed(3))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.second(x + torch.tanh(self.first(x)))
        return out


class Tied(nn.Module):
    """Embeddings that are the output layer too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 6, padding_idx=0)
        self.inner = nn.Linear(6, 6)
        self.out = nn.Linear(6, 7, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(torch.tanh(self.inner(self.embedding(x)))).mean(1)
        return out


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.Module], **options: Any) -> None:
        super().__init__()
        self.inner = kind(5, 4, batch_first=True, **options)
        self.out = nn.Linear(8 if options.get("bidirectional") else 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(self.inner(x)[0][:, -1])
        return out


class Attentive(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=dropout, batch_first=True)
        self.inner = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
        out: torch.Tensor = self.out(self.inner(self.embedding(x), src_key_padding_mask=mask).mean(1))
        return out


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fixed, self.out = nn.Linear(5, 4), nn.Linear(4, 3)
        self.fixed.requires_grad_(requires_grad=False)
        self.register_buffer("scale", torch.rand(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(F.relu(self.fixed(x)) * self.get_buffer("scale"))
        return out


def image_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.LeakyReLU(0.1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


def generator_net() -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 18),
        nn.Unflatten(1, (2, 3, 3)),
        nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(108, 3),
    )


CASES = {
    "linear": Case(lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), floats(6, 5)),
    "without biases": Case(lambda: nn.Sequential(nn.Linear(5, 8, bias=False), nn.GELU(), nn.Linear(8, 3)), floats(6, 5)),
    "nested": Case(lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 8), nn.Tanh()), nn.Linear(8, 3)), floats(6, 5)),
    "convolutions": Case(image_net, floats(6, 1, 12, 12)),
    "transposed convolutions": Case(generator_net, floats(6, 5)),
    "batch normalisation": Case(
        lambda: nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)), floats(6, 5)
    ),
    "layer normalisation": Case(
        lambda: nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.SiLU(), nn.Linear(8, 3)), floats(6, 5)
    ),
    "group normalisation": Case(
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(64, 3)), floats(6, 1, 6, 6)
    ),
    "own forward": Case(Residual, floats(6, 5)),
    "embeddings": Case(lambda: nn.Sequential(nn.Embedding(7, 4, padding_idx=0), nn.Flatten(), nn.Linear(16, 3)), tokens(6, 4)),
    "tied weights": Case(Tied, tokens(6, 4), classes=7),
    "frozen parameters": Case(Frozen, floats(6, 5)),
    "lstm": Case(lambda: Recurrent(nn.LSTM), floats(6, 4, 5)),
    "deep lstm of two directions": Case(lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), floats(6, 4, 5)),
    "gru": Case(lambda: Recurrent(nn.GRU, num_layers=2), floats(6, 4, 5)),
    "rnn": Case(lambda: Recurrent(nn.RNN, bidirectional=True), floats(6, 4, 5)),
    "transformer": Case(Attentive, tokens(6, 4)),
}
