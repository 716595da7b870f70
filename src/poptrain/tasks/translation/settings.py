"""The task's settings and search spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from poptrain.core.errors import ConfigError
from poptrain.space import Choice, Float

__all__ = ["Settings", "by_hand", "search_space"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is translated, by which network.

    Args:
        data: "composed" (built in), a folder or prefix of aligned files, or a .tsv / .txt file with tabs (each may be .gz).
        source, target: languages; for aligned files the endings of their names.
        swap: for a file with tabs, translate from the second column to the first.
        pairs: pairs to compose; for files the most pairs to train on (0: all).
        validation, test: pairs in these parts, where they are not files of their own.
        validate_on: pairs of the validation part that members are scored on.
        subwords: size of the joint vocabulary.
        model: "transformer" or "lstm".
        width, layers, heads, inner: size of the network; an LSTM has a width only.
        batch_tokens: most subwords of a side in a batch (Transformer; the LSTM tunes it).
        clip_norm: largest norm of the gradient (Transformer; the LSTM tunes it).
        beam: hypotheses in the search on the test part.
        tokenize: sacreBLEU's tokeniser.
        data_seed: decides the text's split and the order of batches.
    """

    data: str = "composed"
    source: str = "en"
    target: str = "de"
    swap: bool = False
    pairs: int = 24_000
    validation: int = 500
    test: int = 500
    validate_on: int = 200
    subwords: int = 1_500
    model: Literal["transformer", "lstm"] = "transformer"
    width: int = 96
    layers: int = 2
    heads: int = 4
    inner: int = 256
    batch_tokens: int = 256
    clip_norm: float = 1.0
    beam: int = 5
    tokenize: str = "13a"
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "validation",
            "test",
            "validate_on",
            "subwords",
            "width",
            "layers",
            "heads",
            "inner",
            "batch_tokens",
            "beam",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.pairs < 0:
            raise ConfigError(f"pairs must be 0 (all) or more, got {self.pairs}")
        if self.width % self.heads or self.width % 2:
            raise ConfigError(f"width must be even and a multiple of heads={self.heads}, got {self.width}")
        if not self.clip_norm > 0:
            raise ConfigError(f"clip_norm must be more than 0, got {self.clip_norm}")


def search_space(settings: Settings) -> dict[str, Any]:
    """Return what is tuned for the chosen network."""
    if settings.model == "lstm":
        return {
            "lr": Float(1e-4, 3e-2, log=True),
            "dropout": Float(0.0, 0.5),
            "recurrent_dropout": Float(0.0, 0.5),
            "batch_size": Choice([128, 256, 512, 1024], ordered=True),
            "clip_norm": Float(0.1, 10.0, log=True),
        }
    return {
        "lr": Float(1e-4, 3e-2, log=True),
        "dropout": Float(0.0, 0.3),
        "attention_dropout": Float(0.0, 0.3),
        "activation_dropout": Float(0.0, 0.3),
        "label_smoothing": Float(0.0, 0.2),
        "weight_decay": Float(1e-6, 1e-1, log=True),
    }


def by_hand(settings: Settings) -> tuple[dict[str, Any], ...]:
    """Return what people usually take for networks of this kind: some dropout, two learning rates."""
    if settings.model == "lstm":
        usual: dict[str, Any] = {"dropout": 0.2, "recurrent_dropout": 0.2, "batch_size": 256, "clip_norm": 1.0}
        return tuple({"lr": lr, **usual} for lr in (1e-3, 3e-3))
    usual = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout", "label_smoothing"), 0.1)
    return tuple({"lr": lr, **usual, "weight_decay": 1e-4} for lr in (1e-3, 3e-3))
