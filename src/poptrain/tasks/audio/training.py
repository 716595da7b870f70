"""How listeners train: the network, what is masked, and what is scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import poptrain.torch as ptt
from poptrain.tasks.audio.sounds import load
from poptrain.tasks.classification.training import convolutions, judge
from poptrain.trainable.population import Block

if TYPE_CHECKING:
    from poptrain.tasks.audio import Settings

__all__ = ["Listeners", "mask", "score"]

_WIDEST = 0.4
"""Share of the bands, and of the moments, that masks at full strength cover at most."""


def mask(net: Any, batch: tuple[torch.Tensor, ...], h: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Set a stretch of bands and a stretch of moments of every spectrogram of one member's batch to its mean.

    Both are of random place and width, up to the member's strength (Park et al. 2019, SpecAugment).
    """
    spectrograms, classes = batch
    draws = ptt.uniform_like(spectrograms[:, :1, 0, 0].expand(-1, 4))
    for axis, first in ((-2, 0), (-1, 2)):
        width = draws[:, first] * h["masking"] * _WIDEST
        start = draws[:, first + 1] * (1 - width)
        size = spectrograms.shape[axis]
        place = (torch.arange(size, device=spectrograms.device) + 0.5) / size
        silent = (place > start[:, None]) & (place < (start + width)[:, None])
        silent = silent[:, None, :, None] if axis == -2 else silent[:, None, None, :]
        spectrograms = torch.where(silent, torch.zeros_like(spectrograms), spectrograms)
    return spectrograms, classes


class Listeners(ptt.TorchPopulation):
    """Members of a block: networks that tell sounds apart.

    Args:
        block: the rows.
        settings: of the task.
        folder: where the spectrograms are kept.
    """

    def __init__(self, block: Block, *, settings: Settings, folder: Path) -> None:
        heard = load(settings, folder)
        train, validation = (
            (torch.from_numpy(part.pixels), torch.from_numpy(part.classes)) for part in (heard.train, heard.validation)
        )
        super().__init__(
            block,
            recipe=ptt.Recipe(
                net=lambda: convolutions(heard.shape, settings.width, len(heard.names)),
                loss=ptt.CrossEntropy(label_smoothing="label_smoothing"),
                data=ptt.Batches(train, batch_size=settings.batch_size),
                optimiser=ptt.SGD(lr="lr", momentum="momentum", weight_decay="weight_decay"),
                evaluate=ptt.Accuracy(*validation, batch_size=500),
                dropout="dropout",
                augment=mask,
            ),
        )


def score(settings: Settings, folder: Path, state: Any) -> tuple[dict[str, float], str]:
    """Return accuracy and cross entropy of a state on the held-out sounds, and the classes most often confused."""
    heard = load(settings, folder)
    net = convolutions(heard.shape, settings.width, len(heard.names))
    net.load_state_dict(state["net"])
    return judge(net, heard.test, heard.names)
